//! Names and titles of objects, and how they sort.

use crate::facts::Resource;
use crate::overrides;

/// What callers pass for this resource. `v2/` sets a v2 resource apart from a v3 one of the same name.
pub(crate) fn object_name(resource: &Resource, all: &[Resource]) -> String {
    if let Some((_, name)) = overrides::OBJECTS.iter().find(|(key, _)| *key == resource.key) {
        return (*name).to_owned();
    }
    let clash = all.iter().any(|other| other.name == resource.name && other.version == "v3");
    if resource.version == "v2" && clash { format!("v2/{}", resource.name) } else { resource.name.clone() }
}

/// The title for people: `products/images` is `Product images`.
pub(crate) fn title(name: &str) -> String {
    if let Some((_, title)) = overrides::TITLES.iter().find(|(object, _)| *object == name) {
        return (*title).to_owned();
    }
    let (plain, suffix) = match name.strip_prefix("v2/") {
        Some(plain) => (plain, " (v2)"),
        None => (name, ""),
    };
    // `settings_x` and `x/settings` are both settings of x.
    let (plain, suffix) = match plain.strip_prefix("settings_") {
        Some(plain) => (plain, " settings"),
        None => (plain, suffix),
    };
    let segments: Vec<&str> = plain.split('/').collect();
    let last = segments.len().saturating_sub(1);
    let mut words: Vec<String> = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        let text = segment.replace(['_', '-'], " ").replace("pricelist", "price list");
        words.push(if index < last { singular(&text) } else { text });
    }
    // What belongs to a channel: `carts/settings/channels` is `Cart channel settings`.
    if let [head @ .., settings, channels] = words.as_mut_slice()
        && settings.starts_with("setting")
        && channels == "channels"
    {
        let mut swapped = head.to_vec();
        swapped.extend(["channel".to_owned(), "settings".to_owned()]);
        words = swapped;
    }
    let text = words.join(" ") + suffix;
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

fn singular(words: &str) -> String {
    if let Some(stem) = words.strip_suffix("ies") {
        format!("{stem}y")
    } else if let Some(stem) = words.strip_suffix("sses") {
        format!("{stem}ss")
    } else if words.ends_with("ss") {
        words.to_owned()
    } else {
        words.strip_suffix('s').unwrap_or(words).to_owned()
    }
}

/// The nearest of `names` that this name lies below.
pub(crate) fn parent<'a>(name: &str, names: impl Fn(&str) -> Option<&'a str>) -> Option<&'a str> {
    let mut rest = name;
    while let Some((head, _)) = rest.rsplit_once('/') {
        if let Some(found) = names(head) {
            return Some(found);
        }
        rest = head;
    }
    None
}

/// `customerId`, `template-name` -> `customer_id`, `template_name`.
pub(crate) fn snake(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        match letter {
            '-' => out.push('_'),
            _ if letter.is_ascii_uppercase() => {
                out.push('_');
                out.push(letter.to_ascii_lowercase());
            }
            _ => out.push(letter),
        }
    }
    out
}

/// Parents before their sub-objects, whatever the separators are worth as bytes.
pub(crate) fn order(name: &str) -> Vec<&str> {
    name.split('/').collect()
}
