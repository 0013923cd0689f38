//! Several processes that change one store at once.

use std::process::{Child, Stdio};

use connector_store::Name;

use super::Folder;

/// Processes at once.
const PROCESSES: usize = 8;

fn start(folder: &Folder, arguments: &[&str]) -> Child {
    folder.command(arguments, "").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs all of these at once; each must succeed.
fn all(folder: &Folder, commands: &[Vec<String>]) {
    let start = |command: &Vec<String>| start(folder, &command.iter().map(String::as_str).collect::<Vec<_>>());
    let children: Vec<Child> = commands.iter().map(start).collect();
    for (child, command) in children.into_iter().zip(commands) {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn words(text: String) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[test]
fn nothing_that_any_of_them_confirmed_is_lost() {
    // Nothing is there yet: all of them make the store and its key at once.
    let folder = Folder::new();
    let add = |n: usize| words(format!("connection add own-{n} --set store_hash=abc{n} --set access_token=s3cret-{n}"));
    all(&folder, &(0..PROCESSES).map(add).collect::<Vec<_>>());
    folder.good(&["connection", "add", "shared", "--set", "store_hash=abc", "--set", "access_token=s3cret"], "");
    for round in 0..2 {
        let edits = (0..PROCESSES).map(|n| match n % 2 {
            0 => words(format!("connection edit shared --grant https://host-{n}-{round}.example")),
            _ => words(format!(
                "connection edit own-{n} --set page_size={} --set access_token=s3cret-{n}-{round}",
                100 + round
            )),
        });
        let variables = (0..4).map(|n| words(format!("variables set v-{n}-{round} {n}")));
        all(&folder, &edits.chain(variables).chain([words("variables rotate-key".to_owned())]).collect::<Vec<_>>());
    }
    let store = folder.store();
    let shared = store.connection(&Name::from("shared")).unwrap();
    assert_eq!(
        shared.grants.len(),
        PROCESSES / 2 * 2,
        "every edit of the same connection is there: {:?}",
        shared.grants
    );
    let state = folder.state();
    for n in 0..PROCESSES {
        let value = state[&format!("Some(\"bigcommerce:own-{n}\") secret.access_token")].clone();
        assert_eq!(value, if n % 2 == 0 { format!("true s3cret-{n}") } else { format!("true s3cret-{n}-1") });
    }
    assert_eq!(state.keys().filter(|name| name.contains(" v-")).count(), 8);
}
