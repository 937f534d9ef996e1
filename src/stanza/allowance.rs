//! A bound for what somebody else wrote.

/// How many elements and attributes may still come.
///
/// Prosody's thread has to make a table of each element and an entry of each attribute, and nothing else
/// happens meanwhile.
#[derive(Debug)]
pub struct Allowance(usize);

/// Happens when more is taken from an [`Allowance`] than there is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

impl Allowance {
    /// An allowance of so many.
    pub const fn new(count: usize) -> Self {
        Allowance(count)
    }

    /// Takes some off.
    ///
    /// # Errors
    /// [`Exhausted`] if there are not as many left.
    pub fn take(&mut self, count: usize) -> Result<(), Exhausted> {
        self.0 = self.0.checked_sub(count).ok_or(Exhausted)?;
        Ok(())
    }
}
