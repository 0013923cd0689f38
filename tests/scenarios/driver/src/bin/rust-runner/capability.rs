//! A host that lacks a capability. This host links all of them, so the component is made to ask for one that no host has: the package
//! of the import is changed to another one of the same length. For linking, that is the same.

use scenarios::protocol::Capability;

/// The component, asking in vain for these.
pub(crate) fn left_out(mut component: Vec<u8>, without: &[Capability]) -> Vec<u8> {
    for capability in without {
        let (package, interface) = import(*capability);
        let name = format!("{package}/{interface}@").into_bytes();
        let absent =
            format!("absent:{:x>width$}/{interface}@", "", width = package.len() - "absent:".len()).into_bytes();
        let mut from = 0;
        while let Some(at) =
            component.get(from..).and_then(|rest| rest.windows(name.len()).position(|part| part == name))
        {
            let end = from + at + name.len();
            if let Some(place) = component.get_mut(from + at..end) {
                place.copy_from_slice(&absent);
            }
            from = end;
        }
    }
    component
}

fn import(capability: Capability) -> (&'static str, &'static str) {
    match capability {
        Capability::Variables => ("ipaas:connector", "variables"),
        Capability::Transport => ("ipaas:connector", "transport"),
        Capability::Quota => ("ipaas:connector", "quota"),
        Capability::Control => ("ipaas:connector", "control"),
        Capability::Logging => ("ipaas:connector", "logging"),
        Capability::Clocks => ("wasi:clocks", "monotonic-clock"),
        Capability::Http => ("wasi:http", "outgoing-handler"),
    }
}
