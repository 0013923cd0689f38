//! Every kind of change, ended at each of its writes, syncs and renames.

use super::{CHANGES, Change, Folder, Trial, of};

/// Tries a change with its end at every point.
fn at_every_point(template: Folder, change: &Change) {
    let trial = Trial::new(template, change);
    let points = crash_points::at_every_point(
        || trial.template.copy(),
        |folder| folder.path().to_owned(),
        |folder| folder.command(change.arguments, change.stdin),
        |folder, ended| {
            let how = format!("{:?} {ended}", change.arguments);
            folder.holds(&trial.before, &trial.after, ended.completed(), &how);
        },
    );
    println!("{:?}: {points} points", change.arguments);
    assert!(points >= 5, "a change is written and synced: {points} points");
}

/// One test for each change, so that they run side by side.
macro_rules! all_or_nothing {
    ($($name:ident: $change:expr;)*) => {$(
        #[test]
        fn $name() {
            at_every_point(Folder::full(), &$change);
        }
    )*};
}

all_or_nothing! {
    a_connection_is_added_with_its_secret_or_not_at_all: CHANGES[0];
    a_connection_is_edited_as_a_whole_or_not_at_all: CHANGES[1];
    a_connection_has_its_old_name_or_its_new_one: CHANGES[2];
    a_connection_is_copied_with_its_secret_or_not_at_all: CHANGES[3];
    a_connection_is_deleted_with_its_secret_or_not_at_all: CHANGES[4];
    all_connections_of_a_file_are_imported_or_none: CHANGES[5];
    a_variable_has_its_old_value_or_its_new_one: CHANGES[6];
    a_hidden_variable_has_its_old_value_or_its_new_one: CHANGES[7];
    a_variable_is_forgotten_or_still_there: CHANGES[8];
    every_value_has_its_key_while_the_key_is_rotated: CHANGES[9];
}

#[test]
fn a_store_and_a_key_that_are_just_being_made_are_made_by_the_next_one() {
    at_every_point(Folder::new(), &Change { stdin: "s3cret", ..of(&["variables", "set", "first", "--hidden"]) });
}
