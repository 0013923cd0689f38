//! A host that lacks a capability. This host links all of them, so the component is made to ask for one that no host has: the namespace
//! of the import is changed to another one of the same length. For linking, that is the same.

use scenarios::protocol::Capability;

/// The component, asking in vain for these.
pub(crate) fn left_out(mut component: Vec<u8>, without: &[Capability]) -> Vec<u8> {
    for capability in without {
        let (present, absent) = import(*capability);
        debug_assert_eq!(present.len(), absent.len());
        let mut from = 0;
        while let Some(at) = find(&component, present.as_bytes(), from) {
            from = at + present.len();
            if let Some(place) = component.get_mut(at..from) {
                place.copy_from_slice(absent.as_bytes());
            }
        }
    }
    component
}

fn find(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let found = bytes.get(from..)?.windows(wanted.len()).position(|part| part == wanted)?;
    Some(from + found)
}

/// The name of an import, and one of the same length that no host has.
fn import(capability: Capability) -> (&'static str, &'static str) {
    match capability {
        Capability::Variables => ("ipaas:connector/variables@", "other:connector/variables@"),
        Capability::Transport => ("ipaas:connector/transport@", "other:connector/transport@"),
        Capability::Quota => ("ipaas:connector/quota@", "other:connector/quota@"),
        Capability::Control => ("ipaas:connector/control@", "other:connector/control@"),
        Capability::Logging => ("ipaas:connector/logging@", "other:connector/logging@"),
        Capability::Clocks => ("wasi:clocks/monotonic-clock@", "none:clocks/monotonic-clock@"),
        Capability::Http => ("wasi:http/outgoing-handler@", "none:http/outgoing-handler@"),
    }
}
