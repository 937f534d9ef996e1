//! From a value of the configuration to an [`OptionValue`].

use mlua::{Function, Table, Value};

use crate::options::OptionValue;

/// Looks an option up by Prosody's `module:get_option`, wrapped in a function of one argument.
///
/// An option that cannot be looked up counts as something of a wrong type.
pub fn look_up(get_option: &Function, name: &str) -> OptionValue {
    get_option
        .call::<Value>(name)
        .map_or(OptionValue::Other("an error"), |value| convert(&value, 2))
}

fn convert(value: &Value, levels: usize) -> OptionValue {
    match value {
        Value::Nil => OptionValue::Absent,
        Value::Boolean(value) => OptionValue::Boolean(*value),
        Value::Integer(value) => OptionValue::Number(*value as f64),
        Value::Number(value) => OptionValue::Number(*value),
        Value::String(text) => match text.to_str() {
            Ok(text) => OptionValue::Text(text.to_owned()),
            Err(_) => OptionValue::Other("a string that is not UTF-8"),
        },
        Value::Table(table) if levels > 0 => table_of(table, levels - 1),
        Value::Table(_) => OptionValue::Other("a table"),
        Value::Function(_) => OptionValue::Other("a function"),
        _ => OptionValue::Other("a value of another type"),
    }
}

/// A list, whatever names it has beside its items; or, without items, a table of names.
fn table_of(table: &Table, levels: usize) -> OptionValue {
    let items = table.sequence_values::<Value>();
    let items = items
        .map(|item| item.map(|item| convert(&item, levels)))
        .collect::<mlua::Result<Vec<_>>>();
    match items {
        Ok(items) if items.is_empty() && !table.is_empty() => names(table, levels),
        Ok(items) => OptionValue::List(items),
        Err(_) => OptionValue::Other("a table"),
    }
}

fn names(table: &Table, levels: usize) -> OptionValue {
    let mut fields = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let Ok((Value::String(name), value)) = pair else {
            return OptionValue::Other("a table with keys that are not strings");
        };
        let Ok(name) = name.to_str() else {
            return OptionValue::Other("a table with keys that are not UTF-8");
        };
        fields.push((name.to_owned(), convert(&value, levels)));
    }
    // Lua has them in no order.
    fields.sort_by(|(left, _), (right, _)| left.cmp(right));
    OptionValue::Table(fields)
}
