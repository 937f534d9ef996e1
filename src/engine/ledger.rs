//! Who has how many connections, and who gets the next: arithmetic, without a clock, a thread or a system.

use std::collections::HashMap;

use super::budget::Budget;

/// Names a service of a component.
pub type HolderId = u64;

/// Names a component.
type ComponentId = u64;

/// Names somebody who waits.
pub type Ticket = u64;

/// Who has how many connections, and who waits for one. `W` is how somebody who waits is told.
#[derive(Debug)]
pub struct Ledger<W> {
    limit: usize,
    holders: HashMap<HolderId, Holder>,
    /// How many services each component has.
    components: HashMap<ComponentId, usize>,
    /// In the order of arrival.
    queue: Vec<Waiter<W>>,
    last: u64,
}

#[derive(Debug)]
struct Holder {
    component: ComponentId,
    held: usize,
    waiting: usize,
    /// Whether the service is there no more, though it has connections.
    gone: bool,
}

#[derive(Debug)]
struct Waiter<W> {
    ticket: Ticket,
    holder: HolderId,
    tell: W,
}

impl<W> Ledger<W> {
    /// Nobody has anything yet of so many descriptors.
    pub fn new(limit: usize) -> Self {
        Ledger {
            limit,
            holders: HashMap::new(),
            components: HashMap::new(),
            queue: Vec::new(),
            last: 0,
        }
    }

    /// Changes how many descriptors the process may have.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// One more component, with so many services, which share what is guaranteed to it.
    pub fn join(&mut self, services: usize) -> Vec<HolderId> {
        self.last += 1;
        let component = self.last;
        self.components.insert(component, services);
        let ids = (0..services).map(|_| {
            self.last += 1;
            let holder = Holder {
                component,
                held: 0,
                waiting: 0,
                gone: false,
            };
            self.holders.insert(self.last, holder);
            self.last
        });
        ids.collect()
    }

    /// A service ends, and those who wait for its sake wait in vain. What it has stays counted until it
    /// is given back. With the last one its component ends.
    pub fn leave(&mut self, id: HolderId) {
        self.queue.retain(|waiter| waiter.holder != id);
        let Some(holder) = self.holders.get_mut(&id).filter(|holder| !holder.gone) else {
            return;
        };
        holder.gone = true;
        holder.waiting = 0;
        let (component, held) = (holder.component, holder.held);
        if held == 0 {
            self.holders.remove(&id);
        }
        if let Some(services) = self.components.get_mut(&component) {
            *services -= 1;
            if *services == 0 {
                self.components.remove(&component);
            }
        }
    }

    /// How many there may be now.
    pub fn budget(&self) -> Budget {
        Budget::new(self.limit, self.components())
    }

    /// How many components there are.
    pub fn components(&self) -> usize {
        self.components.len()
    }

    /// Takes one for a service; not, if there is none for it or it has ended.
    pub fn take(&mut self, id: HolderId) -> bool {
        let allowed = self.usage(None).allows(self, id);
        if allowed && let Some(holder) = self.holders.get_mut(&id) {
            holder.held += 1;
        }
        allowed
    }

    /// Gives one back.
    pub fn give_back(&mut self, id: HolderId) {
        if let Some(holder) = self.holders.get_mut(&id) {
            holder.held -= 1;
            if holder.gone && holder.held == 0 {
                self.holders.remove(&id);
            }
        }
    }

    /// Waits for one, after [`take`](Self::take) gave none. Nothing for a service that has ended.
    pub fn wait(&mut self, id: HolderId, tell: W) -> Option<Ticket> {
        let holder = self.holders.get_mut(&id).filter(|holder| !holder.gone)?;
        holder.waiting += 1;
        self.last += 1;
        self.queue.push(Waiter {
            ticket: self.last,
            holder: id,
            tell,
        });
        Some(self.last)
    }

    /// Waits no more.
    pub fn forget(&mut self, ticket: Ticket) {
        if let Some(place) = self.queue.iter().position(|one| one.ticket == ticket) {
            self.remove(place);
        }
    }

    /// The first of those who wait that there is one for, which has it then.
    pub fn grant(&mut self) -> Option<(HolderId, W)> {
        let usage = self.usage(None);
        let place = self
            .queue
            .iter()
            .position(|one| usage.allows(self, one.holder))?;
        let Waiter { holder, tell, .. } = self.remove(place);
        self.take(holder);
        Some((holder, tell))
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Whether that is who has waited longest.
    pub fn is_first(&self, ticket: Ticket) -> bool {
        self.queue
            .first()
            .is_some_and(|first| first.ticket == ticket)
    }

    /// Whether somebody could go on if the service gave one back.
    pub fn is_wanted_of(&self, id: HolderId) -> bool {
        let usage = self.usage(Some(id));
        self.holders
            .iter()
            .any(|(waiter, holder)| holder.waiting > 0 && usage.allows(self, *waiter))
    }

    /// What is in use, or would be if one of them gave one back.
    fn usage(&self, giver: Option<HolderId>) -> Usage {
        let budget = self.budget();
        let mut usage = Usage {
            most: budget.all,
            common: budget.all,
            guaranteed: budget.share,
            giver,
            all: 0,
            beyond: 0,
        };
        for (id, holder) in &self.holders {
            let (held, share) = (usage.held(*id, holder), usage.share(self, holder));
            usage.all += held;
            usage.beyond += held.saturating_sub(share);
            usage.common = usage.common.saturating_sub(share);
        }
        usage
    }

    fn remove(&mut self, place: usize) -> Waiter<W> {
        let waiter = self.queue.remove(place);
        if let Some(holder) = self.holders.get_mut(&waiter.holder) {
            holder.waiting -= 1;
        }
        waiter
    }
}

/// What is in use at a time.
struct Usage {
    /// How many there may be.
    most: usize,
    /// How many of those are guaranteed to nobody.
    common: usize,
    /// How many are guaranteed to each component.
    guaranteed: usize,
    /// Counted as if it had one less.
    giver: Option<HolderId>,
    all: usize,
    /// Of those, what goes beyond the share of who has it.
    beyond: usize,
}

impl Usage {
    fn held(&self, id: HolderId, holder: &Holder) -> usize {
        holder
            .held
            .saturating_sub(usize::from(self.giver == Some(id)))
    }

    /// What is guaranteed to a service: an equal part of what its component is.
    fn share<W>(&self, ledger: &Ledger<W>, holder: &Holder) -> usize {
        match ledger.components.get(&holder.component) {
            Some(services) if !holder.gone => (self.guaranteed / services).max(1),
            _ => 0,
        }
    }

    fn allows<W>(&self, ledger: &Ledger<W>, id: HolderId) -> bool {
        let Some(holder) = ledger.holders.get(&id).filter(|holder| !holder.gone) else {
            return false;
        };
        let within_share = self.held(id, holder) < self.share(ledger, holder);
        self.all < self.most && (within_share || self.beyond < self.common)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ledger with so many components, whose budget is that of so many descriptors.
    fn ledger<const N: usize>(limit: usize) -> (Ledger<&'static str>, [HolderId; N]) {
        let mut ledger = Ledger::new(limit);
        let ids = std::array::from_fn(|_| ledger.join(1)[0]);
        (ledger, ids)
    }

    fn numbers(budget: Budget) -> [usize; 3] {
        [budget.all, budget.share, budget.common]
    }

    fn take_all(ledger: &mut Ledger<&'static str>, id: HolderId) -> usize {
        std::iter::from_fn(|| ledger.take(id).then_some(())).count()
    }

    #[test]
    fn who_takes_all_leaves_the_others_their_shares() {
        let (mut ledger, [a, b, c]) = ledger(112);
        assert_eq!(numbers(ledger.budget()), [50, 8, 26]);
        assert_eq!(take_all(&mut ledger, a), 8 + 26);
        assert_eq!(take_all(&mut ledger, b), 8);
        assert_eq!(take_all(&mut ledger, c), 8);
        ledger.give_back(b);
        assert!(!ledger.take(a) && ledger.take(b));
        ledger.give_back(a);
        assert!(ledger.take(c) && !ledger.take(a));
    }

    #[test]
    fn who_comes_later_finds_its_share_once_others_have_given_back() {
        let (mut ledger, [a]) = ledger(104);
        let before = take_all(&mut ledger, a);
        assert_eq!(before, 50);
        let b = ledger.join(1)[0];
        assert_eq!(numbers(ledger.budget()), [48, 12, 24]);
        assert!(!ledger.take(b));
        for _ in 0..14 {
            assert!(!ledger.take(a));
            ledger.give_back(a);
        }
        assert!(
            !ledger.take(a),
            "what it has is its share and all that is common"
        );
        assert_eq!(take_all(&mut ledger, b), 12);
    }

    #[test]
    fn services_share_what_their_component_is_guaranteed() {
        let mut ledger = Ledger::<()>::new(112);
        let several = ledger.join(4);
        let others: [HolderId; 2] = std::array::from_fn(|_| ledger.join(1)[0]);
        assert_eq!(numbers(ledger.budget()), [50, 8, 26]);
        assert_eq!(ledger.components(), 3);
        let take_all = |ledger: &mut Ledger<()>, id| {
            std::iter::from_fn(|| ledger.take(id).then_some(())).count()
        };
        assert_eq!(take_all(&mut ledger, several[0]), 2 + 26, "it hangs");
        for id in &several[1..] {
            assert_eq!(take_all(&mut ledger, *id), 2);
        }
        for id in others {
            assert_eq!(take_all(&mut ledger, id), 8);
        }
        ledger.leave(several[3]);
        assert_eq!(ledger.components(), 3);
        several[..3].iter().for_each(|id| ledger.leave(*id));
        assert_eq!(ledger.components(), 2);
    }

    #[test]
    fn the_first_who_can_go_on_does() {
        let (mut ledger, [a, b]) = ledger(16);
        assert_eq!(numbers(ledger.budget()), [4, 1, 2]);
        assert_eq!((take_all(&mut ledger, a), take_all(&mut ledger, b)), (3, 1));
        ledger.wait(a, "a1").unwrap();
        let given_up = ledger.wait(b, "b1").unwrap();
        ledger.wait(b, "b2").unwrap();
        assert_eq!(ledger.grant(), None);
        ledger.forget(given_up);
        ledger.give_back(b);
        assert_eq!(
            ledger.grant(),
            Some((b, "b2")),
            "a has its share and all that is common"
        );
        ledger.give_back(a);
        assert_eq!(ledger.grant(), Some((a, "a1")));
        assert_eq!((ledger.grant(), ledger.waiting()), (None, 0));
    }

    #[test]
    fn only_what_is_of_use_to_somebody_is_wanted() {
        let (mut ledger, [a, b]) = ledger(24);
        assert_eq!(numbers(ledger.budget()), [8, 2, 4]);
        assert_eq!(take_all(&mut ledger, a), 6);
        assert!(ledger.take(b));
        assert!(!ledger.is_wanted_of(a));
        let ticket = ledger.wait(a, "a").unwrap();
        assert!(ledger.is_first(ticket));
        assert!(ledger.is_wanted_of(a));
        assert!(!ledger.is_wanted_of(b), "its share is of no use to others");
    }

    #[test]
    fn what_is_left_of_a_component_counts_until_it_is_gone() {
        let (mut ledger, [a, b]) = ledger(24);
        assert_eq!(take_all(&mut ledger, a), 6);
        ledger.wait(a, "in vain").unwrap();
        ledger.leave(a);
        assert_eq!((ledger.components(), ledger.waiting()), (1, 0));
        assert!(!ledger.take(a));
        assert_eq!(ledger.wait(a, "in vain"), None);
        assert_eq!(ledger.budget().all, 10);
        assert_eq!(take_all(&mut ledger, b), 4);
        (0..6).for_each(|_| ledger.give_back(a));
        assert_eq!(take_all(&mut ledger, b), 6);
    }
}
