//! The records of the store.
//!
//! Each table keeps its rows sorted by key, so that a page is a slice and a range of keys two binary searches; rows of
//! sub-objects are found by their parent as well. One lock guards all tables: it is held to pick rows or to change them,
//! never while an answer is written.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::json::{self, Record, Scalar};
use crate::tables::{TableSpec, tables};

/// Name of a record among those of one parent. Numbers sort by value and before texts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A whole number of up to 38 digits.
    Int(i128),
    /// Anything else.
    Text(String),
    /// Several fields.
    Many(Vec<Key>),
}

impl Key {
    /// A key from plain text, as it stands in a path.
    pub fn from_plain(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Text(text.to_owned()), Self::Int)
    }

    /// A key from the JSON text of a value; `None` for null.
    pub fn from_json(text: &str) -> Option<Self> {
        match json::scalar(text) {
            Scalar::Null => None,
            Scalar::Text(t) => Some(Self::from_plain(&t)),
            _ => Some(Self::from_plain(text)),
        }
    }

    /// The key as JSON.
    pub fn to_json(&self) -> String {
        match self {
            Self::Int(n) => n.to_string(),
            Self::Text(t) => json::quote(t),
            Self::Many(parts) => {
                let parts: Vec<String> = parts.iter().map(Self::to_json).collect();
                format!("[{}]", parts.join(","))
            }
        }
    }
}

impl From<i64> for Key {
    fn from(n: i64) -> Self {
        Self::Int(n.into())
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::from_plain(text)
    }
}

/// One row of a table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its key.
    pub(crate) key: Key,
    /// Keys of its parents, outermost first.
    pub(crate) parents: Vec<Key>,
    /// The record.
    pub(crate) record: Record,
}

impl Row {
    fn at(&self) -> (&Key, &[Key]) {
        (&self.key, &self.parents)
    }
}

/// Sorted positions of a table's rows by one field, kept until the table changes.
type Order = (u64, Arc<[u32]>);

/// The rows of one concept.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Arc<Row>>,
    by_parent: BTreeMap<Vec<Key>, Vec<Key>>,
    /// Keys by the field that names the parent, in flat tables.
    by_field: HashMap<Key, Vec<Key>>,
    unique: Vec<HashMap<String, Vec<Key>>>,
    spec: &'static TableSpec,
    /// Counts changes, so that what is derived from the rows knows when it is old.
    changes: u64,
    last: i128,
    orders: Mutex<HashMap<String, Order>>,
}

impl Table {
    fn new(spec: &'static TableSpec) -> Self {
        Self {
            rows: Vec::new(),
            by_parent: BTreeMap::new(),
            by_field: HashMap::new(),
            unique: spec.unique.iter().map(|_| HashMap::new()).collect(),
            spec,
            changes: 0,
            last: 0,
            orders: Mutex::default(),
        }
    }

    /// All rows by key.
    pub(crate) fn rows(&self) -> &[Arc<Row>] {
        &self.rows
    }

    fn place(&self, key: &Key, parents: &[Key]) -> Result<usize, usize> {
        self.rows.binary_search_by(|row| row.at().cmp(&(key, parents)))
    }

    /// The row of this name.
    pub(crate) fn get(&self, parents: &[Key], key: &Key) -> Option<&Arc<Row>> {
        self.place(key, parents).ok().and_then(|at| self.rows.get(at))
    }

    /// The first row of this key, whoever its parent is.
    pub(crate) fn get_anywhere(&self, key: &Key) -> Option<&Arc<Row>> {
        let at = self.rows.partition_point(|row| row.key < *key);
        self.rows.get(at).filter(|row| row.key == *key)
    }

    /// The rows whose parents begin with these, by key within each parent.
    pub(crate) fn below(&self, parents: &[Key]) -> Vec<Arc<Row>> {
        self.by_parent
            .range(parents.to_vec()..)
            .take_while(|(p, _)| p.starts_with(parents))
            .flat_map(|(p, keys)| keys.iter().filter_map(|k| self.get(p, k).cloned()))
            .collect()
    }

    /// Positions of the rows whose key lies between the bounds (inclusive).
    pub(crate) fn range(&self, from: Option<&Key>, to: Option<&Key>) -> std::ops::Range<usize> {
        let start = from.map_or(0, |from| self.rows.partition_point(|row| row.key < *from));
        let end = to.map_or(self.rows.len(), |to| self.rows.partition_point(|row| row.key <= *to));
        start..end.max(start)
    }

    /// Positions of all rows in the order of a field, made once per state of the table.
    pub(crate) fn order_by(&self, field: &str, make: impl FnOnce(&[Arc<Row>]) -> Vec<u32>) -> Arc<[u32]> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        match orders.get(field) {
            Some((changes, order)) if *changes == self.changes => order.clone(),
            _ => {
                let order: Arc<[u32]> = make(&self.rows).into();
                orders.insert(field.to_owned(), (self.changes, order.clone()));
                order
            }
        }
    }

    /// Puts a row in, in place of one of the same name.
    pub(crate) fn put(&mut self, row: Row) {
        if let Key::Int(n) = row.key
            && n < i128::from(u32::MAX)
        {
            // Ids of many digits are a test's own: new records go on from the usual ones.
            self.last = self.last.max(n);
        }
        self.changes += 1;
        let row = Arc::new(row);
        match self.place(&row.key, &row.parents) {
            Ok(at) => {
                if let Some(old) = self.rows.get(at).cloned() {
                    self.forget(&old);
                }
                self.remember(&row);
                if let Some(slot) = self.rows.get_mut(at) {
                    *slot = row;
                }
            }
            Err(at) => {
                self.remember(&row);
                if !row.parents.is_empty() {
                    let keys = self.by_parent.entry(row.parents.clone()).or_default();
                    if let Err(place) = keys.binary_search(&row.key) {
                        keys.insert(place, row.key.clone());
                    }
                }
                self.rows.insert(at, row);
            }
        }
    }

    /// Takes a row out.
    pub(crate) fn remove(&mut self, parents: &[Key], key: &Key) -> Option<Arc<Row>> {
        let at = self.place(key, parents).ok()?;
        self.changes += 1;
        let row = self.rows.remove(at);
        self.forget(&row);
        if let Some(keys) = self.by_parent.get_mut(parents) {
            keys.retain(|k| k != key);
            if keys.is_empty() {
                self.by_parent.remove(parents);
            }
        }
        Some(row)
    }

    /// The next id: never one that was used, and sometimes a few further on, as in a store that others write to.
    pub(crate) fn next_id(&mut self) -> i128 {
        let step = match mix(self.last as u64) % 10 {
            0..=6 => 1,
            7 | 8 => 2,
            _ => 2 + (mix(self.last as u64 + 1) % 5) as i128,
        };
        self.last += step;
        self.last
    }

    /// The key of another row that has this value in a unique field.
    pub(crate) fn clash(&self, field: &str, json: &str, except: Option<&Key>) -> Option<Key> {
        let at = self.spec.unique.iter().position(|f| *f == field)?;
        let value = unique_text(json)?;
        self.unique.get(at)?.get(&value)?.iter().find(|k| Some(*k) != except).cloned()
    }

    /// The rows of a flat table whose record names this parent.
    pub(crate) fn naming(&self, parent: &Key) -> Vec<Arc<Row>> {
        self.by_field.get(parent).into_iter().flatten().filter_map(|k| self.get(&[], k).cloned()).collect()
    }

    fn named_parent(&self, row: &Row) -> Option<Key> {
        self.spec.index_field.and_then(|f| row.record.get(f)).and_then(Key::from_json)
    }

    fn remember(&mut self, row: &Row) {
        if let Some(parent) = self.named_parent(row) {
            self.by_field.entry(parent).or_default().push(row.key.clone());
        }
        for (field, index) in self.spec.unique.iter().zip(&mut self.unique) {
            if let Some(value) = row.record.get(field).and_then(unique_text) {
                index.entry(value).or_default().push(row.key.clone());
            }
        }
    }

    fn forget(&mut self, row: &Row) {
        if let Some(parent) = self.named_parent(row)
            && let Some(keys) = self.by_field.get_mut(&parent)
        {
            keys.retain(|k| *k != row.key);
            if keys.is_empty() {
                self.by_field.remove(&parent);
            }
        }
        for (field, index) in self.spec.unique.iter().zip(&mut self.unique) {
            if let Some(value) = row.record.get(field).and_then(unique_text)
                && let Some(keys) = index.get_mut(&value)
            {
                keys.retain(|k| *k != row.key);
                if keys.is_empty() {
                    index.remove(&value);
                }
            }
        }
    }
}

/// What of a value must be unique: texts without regard to case, empty ones not at all.
fn unique_text(json: &str) -> Option<String> {
    match json::scalar(json) {
        Scalar::Text(t) if !t.is_empty() => Some(t.to_lowercase()),
        _ => None,
    }
}

/// A well mixed number from a number (SplitMix64).
pub(crate) fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// All tables of one store.
#[derive(Debug)]
pub(crate) struct State {
    tables: Vec<Table>,
    /// How often a request wiped a whole collection.
    pub(crate) wipes: u64,
    /// Singletons that were deleted, which would otherwise be made anew when they are read.
    gone: HashSet<(usize, Vec<Key>, Key)>,
}

impl State {
    /// A store without records.
    pub(crate) fn new() -> Self {
        Self { tables: tables().specs.iter().map(Table::new).collect(), wipes: 0, gone: HashSet::new() }
    }

    /// A table. An index that does not exist gives the first one: indices come from [`tables`] only.
    pub(crate) fn table(&self, index: usize) -> &Table {
        self.tables.get(index).unwrap_or(&self.tables[0])
    }

    pub(crate) fn table_mut(&mut self, index: usize) -> &mut Table {
        let index = if index < self.tables.len() { index } else { 0 };
        &mut self.tables[index]
    }

    /// Whether a singleton was deleted.
    pub(crate) fn is_gone(&self, table: usize, parents: &[Key], key: &Key) -> bool {
        self.gone.contains(&(table, parents.to_vec(), key.clone()))
    }

    /// Notes that a singleton was deleted.
    pub(crate) fn go(&mut self, table: usize, parents: &[Key], key: &Key) {
        self.gone.insert((table, parents.to_vec(), key.clone()));
    }

    /// Notes that a singleton was written again.
    pub(crate) fn come_back(&mut self, table: usize, parents: &[Key], key: &Key) {
        self.gone.remove(&(table, parents.to_vec(), key.clone()));
    }

    /// Takes a row out with everything that belongs to it.
    pub(crate) fn remove_deep(&mut self, table: usize, parents: &[Key], key: &Key) -> Option<Arc<Row>> {
        let row = self.table_mut(table).remove(parents, key)?;
        let children: Vec<(usize, usize)> = tables().children(table).collect();
        for (child, at) in children {
            let gone: Vec<Arc<Row>> = if at == 0 {
                self.table(child).below(std::slice::from_ref(key))
            } else {
                let mut path = parents.to_vec();
                path.push(key.clone());
                self.table(child).below(&path)
            };
            for row in gone {
                self.remove_deep(child, &row.parents, &row.key);
            }
        }
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::facts::find;
    use bytes::Bytes;

    fn row(key: i64, parents: &[i64], text: &str) -> Row {
        let record = Record::new(Bytes::from(text.to_owned()), None).unwrap();
        Row { key: key.into(), parents: parents.iter().map(|p| (*p).into()).collect(), record }
    }

    fn table(name: &str) -> usize {
        tables().access(find(name).unwrap()).unwrap().table
    }

    #[test]
    fn rows_stay_sorted_and_ids_are_never_used_twice() {
        let mut state = State::new();
        let t = state.table_mut(table("products"));
        for id in [5, 1, 9, 3] {
            t.put(row(id, &[], "{}"));
        }
        let keys: Vec<Key> = t.rows().iter().map(|r| r.key.clone()).collect();
        assert_eq!(keys, [1, 3, 5, 9].map(Key::from));
        assert_eq!(t.range(Some(&Key::Int(2)), Some(&Key::Int(5))), 1..3);
        t.remove(&[], &Key::Int(9));
        assert!(t.next_id() > 9);
    }

    #[test]
    fn what_belongs_to_a_record_goes_with_it() {
        let mut state = State::new();
        let (products, images) = (table("products"), table("products/images"));
        state.table_mut(products).put(row(1, &[], "{}"));
        state.table_mut(images).put(row(7, &[1], "{}"));
        state.table_mut(images).put(row(8, &[2], "{}"));
        assert!(state.remove_deep(products, &[], &Key::Int(1)).is_some());
        let left: Vec<Key> = state.table(images).rows().iter().map(|r| r.key.clone()).collect();
        assert_eq!(left, [Key::Int(8)]);
    }

    #[test]
    fn a_unique_value_is_known_until_its_row_goes() {
        let mut state = State::new();
        let t = state.table_mut(table("products"));
        t.put(row(1, &[], r#"{"name":"Cup","sku":""}"#));
        assert_eq!(t.clash("name", "\"cup\"", None), Some(Key::Int(1)));
        assert_eq!(t.clash("name", "\"cup\"", Some(&Key::Int(1))), None);
        assert_eq!(t.clash("sku", "\"\"", None), None);
        t.remove(&[], &Key::Int(1));
        assert_eq!(t.clash("name", "\"cup\"", None), None);
    }
}
