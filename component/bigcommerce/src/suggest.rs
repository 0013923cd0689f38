//! "Did you mean": the nearest known name to one that is not known.

use crate::table::{OBJECTS, Object};

/// The nearest object name.
pub fn object(name: &str) -> Option<&'static str> {
    among(OBJECTS.iter().map(|object| object.name), name)
}

/// The nearest field of an object.
pub fn field(object: &'static Object, name: &str) -> Option<&'static str> {
    let fields = object.model.map(|model| model.fields).unwrap_or_default();
    among(fields.iter().map(|field| field.name), name)
}

/// The nearest of some names, if one is near enough to be meant.
pub fn among<'a>(names: impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    let wanted = name.to_ascii_lowercase();
    let (distance, near) = names.map(|known| (strsim::damerau_levenshtein(known, &wanted), known)).min()?;
    // A third of the letters wrong is a typing error; more is another word.
    (distance <= (wanted.chars().count() / 3).max(1)).then_some(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_recognised_and_other_words_are_not() {
        assert_eq!(object("prodcuts"), Some("products"));
        assert_eq!(object("Products"), Some("products"));
        assert_eq!(object("zebra"), None);
    }
}
