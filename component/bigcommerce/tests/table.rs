//! The generated table against the facts that it is made from: it is sound, and nothing in it can wipe a collection. That
//! nothing of the facts is lost is tested in `coverage.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use connector_bigcommerce::table::{Body, Delete, DeleteBy, Node, OBJECTS, Object, object};
use serde_json::Value;

/// The resources of the facts.
fn resources() -> Vec<Value> {
    serde_json::from_str(include_str!("../facts.json")).unwrap()
}

fn operations(resource: &Value) -> impl Iterator<Item = &Value> {
    resource["operations"].as_array().unwrap().iter()
}

/// A path with nameless parameters, as parameters have other names in the facts.
fn nameless(path: &str) -> String {
    path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment }).collect::<Vec<_>>().join("/")
}

fn parameters(path: &str) -> Vec<&str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')).collect()
}

#[test]
fn no_delete_can_be_sent_without_naming_records() {
    for object in OBJECTS {
        for delete in object.delete {
            let named = names_records(object, delete);
            assert!(named.is_ok(), "{}: DELETE {}: {}", object.name, delete.path, named.unwrap_err());
        }
    }
}

/// Whether whoever sends this delete has to say which record is meant, in a way that excludes all others.
fn names_records(object: &Object, delete: &Delete) -> Result<(), String> {
    let path = parameters(delete.path);
    let names = |field: &str| object.key.contains(&field) || object.parents.iter().any(|parent| parent.field == field);
    if let Some(other) = path.iter().find(|field| !names(field)) {
        return Err(format!("{other} names nobody"));
    }
    let open: Vec<&str> = object.key.iter().copied().filter(|field| !path.contains(field)).collect();
    if object.key.is_empty() {
        return Err("the object has no key".into());
    }
    match delete.by {
        DeleteBy::Path if path.is_empty() => Err("nothing in the path names a record".into()),
        DeleteBy::Path => {
            if open.is_empty() {
                Ok(())
            } else {
                Err(format!("{open:?} is not in the path"))
            }
        }
        DeleteBy::Filter { field, param } => {
            if open != [field] {
                return Err(format!("the filter names {field}, and {open:?} is open"));
            }
            if param.strip_suffix(":in").is_none() { Err(format!("{param} takes no list")) } else { Ok(()) }
        }
        DeleteBy::Fields(pairs) => {
            let named: Vec<&str> = pairs.iter().map(|(field, _)| *field).collect();
            if named == open { Ok(()) } else { Err(format!("{named:?} is named, and {open:?} is open")) }
        }
        DeleteBy::BodyKey(field) | DeleteBy::BodyIds(field) | DeleteBy::WrappedIds { field, .. } => {
            if open == [field] {
                Ok(())
            } else {
                Err(format!("the body names {field}, and {open:?} is open"))
            }
        }
    }
}

#[test]
fn what_deletes_all_is_never_sent_with_the_path_alone() {
    // By the facts, a DELETE of these paths with no filter and no body can delete more than it names.
    let mut traps = BTreeMap::new();
    for resource in resources() {
        for operation in operations(&resource).filter(|operation| operation["verb"] == "delete") {
            let by = operation["delete"]["by"].as_str().unwrap();
            if by != "id_path" && by != "singleton" {
                traps.insert(nameless(operation["path"].as_str().unwrap()), by.to_owned());
            }
        }
    }
    assert!(traps.values().filter(|by| *by == "all").count() >= 9, "{traps:?}");
    for object in OBJECTS {
        for delete in object.delete {
            let Some(by) = traps.get(&nameless(delete.path)) else {
                assert_eq!(delete.by, DeleteBy::Path, "{}", delete.path);
                continue;
            };
            assert_ne!(by, "all", "{} deletes all", delete.path);
            assert_ne!(delete.by, DeleteBy::Path, "{} needs a filter or a body", delete.path);
        }
    }
}

#[test]
fn names_are_unique_sorted_and_lead_to_parents_that_exist() {
    let names: Vec<&str> = OBJECTS.iter().map(|object| object.name).collect();
    let mut sorted = names.clone();
    sorted.sort_by_key(|name| name.split('/').collect::<Vec<_>>());
    sorted.dedup();
    assert_eq!(names, sorted);
    for object in OBJECTS {
        let parent = object.parent.map(|parent| names.iter().position(|name| *name == parent).expect(object.name));
        assert!(parent < names.iter().position(|name| *name == object.name), "{}", object.name);
        assert!(!object.title.is_empty() && object.title.starts_with(char::is_uppercase), "{}", object.title);
    }
    let titles: BTreeSet<&str> = OBJECTS.iter().map(|object| object.title).collect();
    assert_eq!(titles.len(), names.len(), "two objects have one title");
}

#[test]
fn parent_keys_lead_to_key_fields_of_objects_or_nowhere() {
    for child in OBJECTS {
        for parent in child.parents {
            if parent.object.is_empty() {
                assert_eq!(parent.key, "");
                continue;
            }
            let above = object(parent.object).unwrap_or_else(|| panic!("{}: {}", child.name, parent.object));
            assert_eq!(above.key.last(), Some(&parent.key), "{}", child.name);
            let held = child.model.is_some_and(|model| model.field(parent.field).is_some());
            assert_eq!(held, parent.in_record, "{}: {}", child.name, parent.field);
        }
    }
}

#[test]
fn every_path_is_filled_by_fields_of_the_record() {
    for object in OBJECTS {
        let known = |field: &str, model: Option<&Node>| {
            object.key.contains(&field)
                || object.parents.iter().any(|parent| parent.field == field)
                || model.is_some_and(|model| model.field(field).is_some())
        };
        let name = object.name;
        for read in object.reads {
            // What a collection's path asks for is a parent.
            let parent = |field: &&str| object.parents.iter().any(|parent| parent.field == *field);
            assert!(parameters(read.path).iter().all(parent), "{name}: {}", read.path);
            let flat = parameters(read.path).is_empty();
            let complete = read.single || object.parents.iter().all(|parent| parent.in_record);
            assert!(!flat || complete, "{name}: records without their parent");
        }
        for field in object.item.iter().flat_map(|item| parameters(item.path)) {
            assert!(known(field, object.model), "{name}: {field}");
        }
        for write in object.create.iter().chain(object.update) {
            for field in parameters(write.path) {
                assert!(known(field, write.model), "{name}: {field}");
                assert!(write.required.contains(&field), "{name}: {field} may be missing from {}", write.path);
            }
            for param in write.query {
                assert!(write.path_only.contains(&param.field), "{name}: {} would go into the body", param.field);
            }
            for field in write.required {
                let declared = write.model.is_some_and(|model| model.field(field).is_some());
                assert!(declared || write.path_only.contains(field), "{name}: the body cannot hold {field}");
            }
        }
    }
}

#[test]
fn each_activity_has_a_way_that_the_key_suffices_for() {
    for object in OBJECTS {
        let held: Vec<&str> = object.key.to_vec();
        let covered = |path: &str| parameters(path).iter().all(|field| held.contains(field));
        assert!(object.delete.is_empty() || object.delete.iter().any(|way| covered(way.path)), "{}", object.name);
        let upsert = object.update.iter().any(|way| way.upsert);
        assert!(
            object.update.is_empty() || upsert || object.update.iter().any(|way| covered(way.path)),
            "{}",
            object.name
        );
    }
}

#[test]
fn batches_come_first_and_single_records_are_one() {
    for object in OBJECTS {
        for ways in [object.create, object.update] {
            for way in ways {
                let single = matches!(way.body, Body::Object | Body::Empty);
                assert!(!single || way.max_items == Some(1), "{}", object.name);
                assert_eq!(
                    way.upsert,
                    !way.match_on.is_empty() || (way.upsert && object.key.is_empty()),
                    "{}",
                    object.name
                );
            }
        }
        let batches: Vec<bool> =
            object.update.iter().map(|way| !matches!(way.body, Body::Object | Body::Empty)).collect();
        assert!(batches.is_sorted_by(|a, b| a >= b), "{}", object.name);
        assert!(object.delete.is_sorted_by_key(|way| way.by == DeleteBy::Path), "{}", object.name);
        assert!(object.delete.iter().all(|way| way.max_items.is_some_and(|max| max > 0)), "{}", object.name);
    }
}

#[test]
fn equal_nodes_are_stored_once() {
    let mut addresses = BTreeMap::new();
    let mut nodes: Vec<&Node> = Vec::new();
    let writes = |object: &'static Object| object.create.iter().chain(object.update).filter_map(|write| write.model);
    let mut queue: Vec<&Node> =
        OBJECTS.iter().flat_map(|object| object.model.into_iter().chain(writes(object))).collect();
    while let Some(node) = queue.pop() {
        if addresses.insert(std::ptr::from_ref(node), ()).is_none() {
            nodes.push(node);
            queue.extend(node.fields.iter().map(|field| field.node));
            queue.extend(node.items);
        }
    }
    let distinct: BTreeSet<String> = nodes.iter().map(|node| format!("{node:?}")).collect();
    assert_eq!(distinct.len(), nodes.len());
    assert!((500..2500).contains(&nodes.len()), "{}", nodes.len());
}

#[test]
fn every_batch_still_holds_what_its_records_are_found_by() {
    let mut seen = 0;
    for object in OBJECTS {
        for write in object.create.iter().chain(object.update) {
            if !matches!(write.body, Body::Array | Body::Wrapped(_)) {
                continue;
            }
            for field in write.match_on.iter().chain(write.one_of) {
                seen += 1;
                let member = field.split('.').next().unwrap();
                let (name, path) = (object.name, write.path);
                let in_path = parameters(path).contains(field);
                assert!(in_path || !write.path_only.contains(field), "{name}: {path} leaves out {field}");
                let declared = write.model.is_some_and(|model| model.field(member).is_some());
                assert!(in_path || declared || object.key.contains(field), "{name}: {path} does not take {field}");
            }
        }
    }
    assert!(seen > 40, "{seen}");
}
