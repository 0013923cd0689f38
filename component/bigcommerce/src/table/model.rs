//! What a record looks like: the fields of an object's records, with their types.

use super::{NAMES, NODES};

/// Type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Text.
    String,
    /// Whole number.
    Integer,
    /// Number; money among them.
    Number,
    /// true or false.
    Boolean,
    /// Object with `fields`, or free-form without.
    Object,
    /// Array of `items`.
    Array,
    /// Documented as one of several types, or not at all.
    Any,
}

/// What a text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Nothing special.
    Plain,
    /// A point in time or a date, in any notation of the API.
    Date,
    /// A decimal number, written as text (v2 money) or now as text and now as a number (then the type is `Any`).
    Decimal,
}

/// A value's schema. Equal nodes are stored once.
#[derive(Debug)]
pub struct Node {
    /// Type.
    pub ty: Type,
    /// Meaning of a text.
    pub format: Format,
    /// May be null.
    pub nullable: bool,
    /// Allowed values as JSON texts.
    pub values: &'static [&'static str],
    /// Fields of an object.
    pub fields: Fields,
    /// Elements of an array.
    pub items: Option<&'static Node>,
    /// What else the API says about a value, which is rare.
    pub bounds: Option<&'static Bounds>,
}

/// What an API says about a value besides its type.
#[derive(Debug)]
pub struct Bounds {
    /// `format` of the specification, for the JSON Schema.
    pub format_name: Option<&'static str>,
    /// Longest text in characters.
    pub max_length: Option<u32>,
    /// Smallest number as JSON text.
    pub minimum: Option<&'static str>,
    /// Largest number as JSON text.
    pub maximum: Option<&'static str>,
}

/// The members of an object. There are thousands of them in the table, so each takes four bytes instead of sixteen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fields(pub(super) &'static [Packed]);

/// A member: its place in `NAMES`, and the one of its schema in `NODES` below two flags.
#[derive(Clone, Copy, Debug)]
pub struct Packed(pub(super) u16, pub(super) u16);

/// Flag of a member that must be there.
const REQUIRED: u16 = 1 << 15;
/// Flag of a member that the remote sets.
const READ_ONLY: u16 = 1 << 14;

impl Packed {
    fn unpack(&self) -> Option<Field> {
        Some(Field {
            name: NAMES.get(usize::from(self.0))?,
            required: self.1 & REQUIRED != 0,
            read_only: self.1 & READ_ONLY != 0,
            node: NODES.get(usize::from(self.1 & !(REQUIRED | READ_ONLY)))?,
        })
    }
}

impl Fields {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = Field> + use<> {
        self.into_iter()
    }
}

impl IntoIterator for Fields {
    type Item = Field;
    type IntoIter = std::iter::FilterMap<std::slice::Iter<'static, Packed>, fn(&Packed) -> Option<Field>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().filter_map(Packed::unpack)
    }
}

/// A named member of an object.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Name.
    pub name: &'static str,
    /// Must be there.
    pub required: bool,
    /// Set by the remote.
    pub read_only: bool,
    /// Schema.
    pub node: &'static Node,
}

impl Node {
    /// The field of this name, if this is an object that declares it.
    pub fn field(&self, name: &str) -> Option<Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}
