//! Creating and changing records.
//!
//! A call is carried out under one lock. Unless the API documents partial success for it, a batch is checked as a whole
//! before anything is changed.

use std::collections::HashSet;

use crate::answer::{Answer, Outcome, Refusal};
use crate::body::{self, Items};
use crate::carts;
use crate::checks::prepare;
use crate::facts::{Kind, Resource, Verb};
use crate::json::Object;
use crate::partial::{self, Partial};
use crate::read;
use crate::rows::{apply, merge, record};
use crate::store::{Key, Row};
use crate::world::{Call, Target, World};

/// Answers POST and PUT requests.
pub(crate) fn answer(world: &World, call: &Call<'_>) -> Outcome {
    let target = call.target().ok_or_else(Refusal::not_found)?;
    let items = body::split(call.route.operation, call.body)?;
    if call.resource().key == carts::ITEMS {
        return carts::write(world, call, &target, items.objects.into_iter().next().unwrap_or_default());
    }
    match call.resource().kind {
        Kind::Singleton | Kind::KeyedSingleton => single(world, call, &target, items),
        _ => records(world, call, &target, &items),
    }
}

/// Changes a singleton's record.
fn single(world: &World, call: &Call<'_>, target: &Target, items: Items) -> Outcome {
    let mut state = world.write();
    if !target.parents_exist(&state) {
        return Err(Refusal::not_found());
    }
    let resource = call.resource();
    let verb = call.route.operation.verb;
    let stored = read::single_text(world, &state, call, target);
    let exists = stored.is_some();
    match verb {
        Verb::Update if !exists => return Err(Refusal::not_found()),
        Verb::Create if exists && target.access.parent_is_key => {
            return Err(Refusal::new(409, "The record exists already."));
        }
        _ => {}
    }
    let text = stored.unwrap_or_default();
    let mut object = Object::parse(&String::from_utf8_lossy(&text)).unwrap_or_default();
    let change = if items.batch { None } else { items.objects.into_iter().next() };
    let change = change.unwrap_or(items.around);
    body::check_types(model(resource, verb), &change)?;
    carts::check_version(&state, call, &change)?;
    for (name, value) in change.iter().filter(|(n, _)| *n != "version") {
        merge(&mut object, name, value, resource.schemas.read.field(name));
    }
    let key = read::single_key(call, target);
    if target.access.parent_is_key
        && let Some(field) = target.spec.key_fields.first()
    {
        object.set(field, key.to_json());
    }
    let row = Row { key, parents: target.parents.clone(), record: record(&object)? };
    let answer = object.to_text();
    state.come_back(target.access.table, &row.parents, &row.key);
    state.table_mut(target.access.table).put(row);
    carts::count_version(&mut state, call);
    drop(state);
    let (status, envelope, shape) = call.route.operation.plain_success();
    if shape == "empty" {
        return Ok(Answer::empty(status));
    }
    Ok(Answer::enveloped(status, envelope, &answer, "{}"))
}

pub(crate) fn model(resource: &Resource, verb: Verb) -> &crate::facts::Model {
    match verb {
        Verb::Create => &resource.schemas.create,
        _ => &resource.schemas.update,
    }
}

fn records(world: &World, call: &Call<'_>, target: &Target, items: &Items) -> Outcome {
    let switches = world.switches();
    let mut state = world.write();
    if !target.parents_exist(&state) {
        return Err(Refusal::not_found());
    }
    carts::check_version(&state, call, &items.around)?;
    if let Some(first) = items.objects.first() {
        carts::check_version(&state, call, first)?;
    }
    let partial = partial::of(call, items.batch, &switches);
    let mut seen = HashSet::new();
    let mut steps = Vec::new();
    let mut errors: Vec<(usize, Refusal, Object)> = Vec::new();
    for (at, object) in items.objects.iter().enumerate() {
        match prepare(&state, &switches, call, target, object, items.batch, &mut seen) {
            Ok(step) => steps.push(step),
            Err(refusal) if partial == Partial::None => {
                return Err(partial::refusal(call, items.batch, at, refusal, object));
            }
            Err(refusal) => errors.push((at, refusal, object.clone())),
        }
    }
    if steps.is_empty()
        && !matches!(partial, Partial::Listed(_) | Partial::BatchErrors)
        && let Some((at, first, object)) = errors.first()
    {
        return Err(partial::refusal(call, items.batch, *at, first.clone(), object));
    }
    carts::count_version(&mut state, call);
    let mut texts = Vec::new();
    for step in steps {
        let silent = step.duplicate;
        let (parents, key) = if silent { (Vec::new(), Key::Int(0)) } else { apply(&mut state, call, target, step)? };
        if let Some(row) = state.table(target.access.table).get(&parents, &key).filter(|_| !silent) {
            let text = read::shaped(&state, call, row, world);
            texts.push(String::from_utf8_lossy(&text).into_owned());
        }
    }
    drop(state);
    if !errors.is_empty() {
        return Ok(partial::tell(call, partial, &texts, errors));
    }
    Ok(tell(call, items.batch, &texts))
}

/// The answer to a call that was carried out.
fn tell(call: &Call<'_>, batch: bool, texts: &[String]) -> Answer {
    let (status, envelope, shape) = call.route.operation.plain_success();
    let list = format!("[{}]", texts.join(","));
    let payload = match (shape, batch) {
        ("empty", _) => return Answer::empty(status),
        ("array", _) => list,
        (_, true) if call.resource().key.contains("inventory") => {
            format!("{{\"transaction_id\":\"{:016x}\"}}", crate::store::mix(texts.len() as u64))
        }
        // A batch whose answer is an object says nothing of its records.
        (_, true) => "{}".to_owned(),
        _ => texts.first().cloned().unwrap_or_else(|| "{}".to_owned()),
    };
    let metafields = batch && call.resource().key.ends_with("/metafields");
    let meta = if metafields {
        format!("{{\"total\":{0},\"success\":{0},\"failed\":0}}", texts.len())
    } else {
        "{}".to_owned()
    };
    Answer::enveloped(status, envelope, &payload, &meta)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::{Sizes, Switches};
    use crate::data::rng::Rng;
    use crate::data::{schema, seed};
    use crate::facts::{Operation, resources};
    use crate::json::Object;
    use crate::route;
    use crate::store::State;
    use crate::tables::tables;

    /// The path of an operation with the keys of records that exist in place of its parameters.
    fn filled(world: &World, at: usize, operation: &Operation) -> Option<String> {
        let access = tables().access(at)?;
        let spec = tables().spec(access.table)?;
        let resource = resources().get(at)?;
        let state = world.read();
        let row = state.table(access.table).rows().first().cloned();
        let mut keys: Vec<Key> = Vec::new();
        for (i, parent) in spec.parent_tables.iter().enumerate().take(resource.parent_params.len()) {
            let known = row.as_ref().and_then(|r| r.parents.get(i).cloned());
            // Where nothing is known of the parents, any will do.
            let first = || match parent {
                Some(table) => state.table(*table).rows().first().map(|r| r.key.clone()),
                None => Some(Key::from(1)),
            };
            keys.push(known.or_else(first)?);
        }
        if access.parent_is_key && operation.verb == Verb::Create {
            keys.push(Key::from(997));
        }
        let own = row.map(|r| r.key.clone());
        match own {
            Some(Key::Many(parts)) => keys.extend(parts),
            other => keys.extend(other),
        }
        let mut keys = keys.iter().map(|k| crate::json::plain(&k.to_json()).into_owned());
        let mut out = String::new();
        for segment in operation.path.split('/').skip(1) {
            out.push('/');
            out.push_str(&if segment.starts_with('{') { keys.next()? } else { segment.to_owned() });
        }
        Some(out)
    }

    fn body(world: &World, at: usize, operation: &Operation, number: u64) -> String {
        let resource = resources().get(at).unwrap();
        let state = world.read();
        let mut rng = Rng::new(7, &operation.path, number);
        let mut object = Object::default();
        let writes = if operation.verb == Verb::Update { &resource.schemas.update } else { &resource.schemas.create };
        for field in writes.fields.iter().filter(|f| !f.read_only) {
            let refer = |name: &str, n: u64| crate::data::reference(&state, name, n);
            object.set(&field.name, schema::value(field, resource.is_v2(), &mut rng, &refer, 3));
        }
        if object.get("version").is_some() {
            // The sample carts are at their first version.
            object.set("version", "1");
        }
        let access = tables().access(at).unwrap();
        let spec = tables().spec(access.table).unwrap();
        let row = state.table(access.table).rows().first();
        if operation.verb == Verb::Update
            && !operation.path.ends_with('}')
            && let Some(row) = row
        {
            schema::name(resource, &mut object, &row.key, &row.parents);
        }
        if let (Some(field), Some(Some(parents))) = (&resource.parent_field, spec.parent_tables.last()) {
            object.set(field, state.table(*parents).rows()[0].key.to_json());
        }
        let shape = operation.body.as_ref();
        match shape.map_or("", |b| b.shape.as_str()) {
            "array" => format!("[{}]", object.to_text()),
            "wrapped_array" => {
                let wrapper = shape.and_then(|b| b.wrapper.clone()).unwrap_or_default();
                format!("{{\"{wrapper}\":[{}]}}", object.to_text())
            }
            "array_of_string" => format!("[\"{}\"]", rng.uuid()),
            _ => object.to_text(),
        }
    }

    /// Carries out every operation of these verbs on a fresh store and tells what failed.
    fn carry_out(verbs: &[Verb]) -> (usize, Vec<String>) {
        let mut done = 0;
        let mut failed = Vec::new();
        let data = Sizes { products: 5, orders: 3, customers: 5, brands: 3, categories: 4, coupons: 3, others: 2 };
        let world = || {
            let mut state = State::new();
            seed(&mut state, 1, data);
            World::new(state, Switches::default(), 1)
        };
        for (at, resource) in resources().iter().enumerate().filter(|(_, r)| r.is_data()) {
            let world = world();
            for operation in resource.operations.iter().filter(|o| verbs.contains(&o.verb)) {
                let Some(path) = filled(&world, at, operation) else {
                    failed.push(format!("{}: no path", operation.path));
                    continue;
                };
                let route = route::find(&operation.method, &path).unwrap();
                let body = body(&world, at, operation, 1);
                match answer(&world, &Call { route: &route, query: &[], body: &body }) {
                    Ok(answer) if (200..300).contains(&answer.status) => done += 1,
                    Ok(answer) => {
                        failed.push(format!("{} {path}: {} {:?}", operation.method, answer.status, answer.body))
                    }
                    Err(refusal) => {
                        let told = refusal.clone().answer(&path);
                        failed.push(format!("{} {path} {}: {:?} {body}", operation.method, told.status, refusal.title));
                    }
                }
            }
        }
        (done, failed)
    }

    #[test]
    fn every_documented_create_is_carried_out() {
        let (done, failed) = carry_out(&[Verb::Create, Verb::Upsert]);
        assert!(failed.is_empty(), "{done} done, failed: {failed:#?}");
        assert!(done > 100);
    }

    #[test]
    fn every_documented_update_is_carried_out() {
        let (done, failed) = carry_out(&[Verb::Update]);
        assert!(failed.is_empty(), "{done} done, failed: {failed:#?}");
        assert!(done > 100);
    }
}
