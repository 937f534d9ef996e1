//! What an admin sees of a component of either module, for `lua/metrics.lua` and `lua/shell.lua`.

use std::time::Instant;

use mlua::{Lua, Table};

use crate::observe::{BOUNDS, Family, Reading, Recent, Type, Value};

/// A list of tables: `type`, `name`, `full_name`, `unit`, `help`, `labels`, and `buckets` of a histogram.
///
/// # Errors
/// If Lua runs out of memory.
pub fn families<'a>(
    lua: &Lua,
    families: impl IntoIterator<Item = &'a &'a Family>,
) -> mlua::Result<Table> {
    let list = lua.create_table()?;
    for family in families {
        let table = lua.create_table()?;
        table.raw_set("type", family.type_.as_str())?;
        table.raw_set("name", family.name)?;
        table.raw_set("full_name", family.full_name())?;
        table.raw_set("unit", family.unit)?;
        table.raw_set("help", family.help)?;
        table.raw_set("labels", lua.create_sequence_from(family.labels.to_vec())?)?;
        if family.type_ == Type::Histogram {
            table.raw_set("buckets", lua.create_sequence_from(BOUNDS)?)?;
        }
        list.raw_push(table)?;
    }
    Ok(list)
}

/// A list of tables: `family`, `labels`, and `added`, `is`, or `buckets` and `sum`.
///
/// # Errors
/// If Lua runs out of memory.
pub fn readings(lua: &Lua, readings: Vec<Reading>) -> mlua::Result<Table> {
    let list = lua.create_table_with_capacity(readings.len(), 0)?;
    for reading in readings {
        let table = lua.create_table()?;
        table.raw_set("family", reading.family)?;
        table.raw_set("labels", lua.create_sequence_from(reading.labels)?)?;
        match reading.value {
            Value::Added(count) => table.raw_set("added", count)?,
            Value::Is(value) => table.raw_set("is", value)?,
            Value::Observed { buckets, sum } => {
                table.raw_set("buckets", lua.create_sequence_from(buckets)?)?;
                table.raw_set("sum", sum)?;
            }
        }
        list.raw_push(table)?;
    }
    Ok(list)
}

/// A list of lists: a name and a value each.
///
/// # Errors
/// If Lua runs out of memory.
pub fn overview(lua: &Lua, rows: Vec<(String, String)>) -> mlua::Result<Table> {
    let rows = rows.into_iter().map(|(name, value)| vec![name, value]);
    lua.create_sequence_from(rows)
}

/// A list of lists, the oldest first: how many seconds ago, sender, recipient, kind, reason.
///
/// # Errors
/// If Lua runs out of memory.
pub fn failures<'a>(
    lua: &Lua,
    failures: impl IntoIterator<Item = &'a Recent>,
    now: Instant,
) -> mlua::Result<Table> {
    let list = lua.create_table()?;
    for failure in failures {
        let row = lua.create_table_with_capacity(5, 0)?;
        row.raw_push(now.saturating_duration_since(failure.at).as_secs())?;
        for text in [&failure.from, &failure.to] {
            row.raw_push(text.as_str())?;
        }
        row.raw_push(failure.kind.as_str())?;
        row.raw_push(failure.why.as_str())?;
        list.raw_push(row)?;
    }
    Ok(list)
}
