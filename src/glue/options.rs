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
        Value::Table(table) if levels > 0 => list(table, levels - 1),
        Value::Table(_) => OptionValue::Other("a table"),
        Value::Function(_) => OptionValue::Other("a function"),
        _ => OptionValue::Other("a value of another type"),
    }
}

fn list(table: &Table, levels: usize) -> OptionValue {
    let items = table.sequence_values::<Value>();
    items
        .map(|item| item.map(|item| convert(&item, levels)))
        .collect::<mlua::Result<Vec<_>>>()
        .map_or(OptionValue::Other("a table"), |items| {
            if items.is_empty() {
                map(table, levels)
            } else {
                OptionValue::List(items)
            }
        })
}

/// The entries with strings as keys; an empty list if there are none.
fn map(table: &Table, levels: usize) -> OptionValue {
    let entries: Vec<_> = table
        .pairs::<String, Value>()
        .filter_map(Result::ok)
        .map(|(key, value)| (key, convert(&value, levels)))
        .collect();
    if entries.is_empty() {
        OptionValue::List(Vec::new())
    } else {
        OptionValue::Map(entries)
    }
}
