//! One request of a query: from a target to a call, from an answer to records, from records to what the caller asked for.

use std::borrow::Cow;

use serde_json::Value;

use crate::client::{Call, Client, Patience};
use crate::cursor::Fnv;
use crate::date::Instant;
use crate::error::{Error, Kind};
use crate::host::Answer;
use crate::incremental::Watch;
use crate::parents;
use crate::plan::{Access, List, Pages, Plan};
use crate::scan;
use crate::slice::{self, Sliced};
use crate::source::{Seen, Target};
use crate::types::Page;
use crate::unfold;
use crate::url;

/// An answer, cut into records.
pub struct Fetched {
    /// The records.
    pub sliced: Sliced,
    /// What they and the envelope tell about paging.
    pub seen: Seen,
    /// The store's time, in Unix seconds, if the answer told.
    pub date: Option<i64>,
    /// For each record the sub-objects taken out of it, where these are what is wanted.
    pub inside: Option<Vec<Vec<u8>>>,
}

/// The call for a target. `wanted` bounds the records asked for.
///
/// # Errors
/// A parent's key that cannot stand in a path.
fn call(plan: &Plan, parent: &[String], target: &Target, wanted: Option<u64>) -> Result<Call, Error> {
    let (template, concurrency, query) = match &plan.access {
        Access::Items { item, query, .. } => (item.path, item.concurrency, query),
        Access::List(list) => (list.read.path, list.read.concurrency, &list.query),
    };
    let names: Vec<&str> = match &plan.access {
        Access::Items { .. } => plan.object.key.to_vec(),
        Access::List(_) => url::parameters(template).collect(),
    };
    let path =
        url::fill(template, |name| names.iter().position(|n| *n == name).and_then(|index| parent.get(index)).cloned())?;
    let limit = u64::from(plan.asked());
    // Numbered pages must all be of one size; the others may shrink at the end.
    let less = wanted.map_or(limit, |wanted| wanted.clamp(1, limit)).to_string();
    let limit = limit.to_string();
    let limited = matches!(&plan.access, Access::List(list) if list.read.limited);
    let mut own: Vec<(&str, String)> = Vec::new();
    if let Access::List(List { split: Some(param), .. }) = &plan.access {
        own.extend(parent.last().map(|part| (*param, part.clone())));
    }
    match (target, &plan.access) {
        (Target::Range { from, to }, Access::List(list)) => {
            if let Pages::Keyset { keyset, to: most, .. } = &list.paging {
                own.push((keyset.from, from.to_string()));
                if let Some(to) = to.or((*most != u128::MAX).then_some(*most)) {
                    own.push((keyset.to, to.to_string()));
                }
            }
            if limited {
                own.push(("limit", less));
            }
        }
        (Target::Joined { from, page, .. }, Access::List(list)) => {
            if let Pages::Keyset { keyset, to, .. } = &list.paging {
                own.push((keyset.from, from.to_string()));
                own.extend((*to != u128::MAX).then(|| (keyset.to, to.to_string())));
            }
            own.extend([("page", page.to_string()), ("limit", limit)]);
        }
        (Target::Between(gaps), Access::List(list)) => {
            if let Pages::Keyset { late: Some(param), .. } = &list.paging {
                let keys: Vec<String> =
                    gaps.iter().flat_map(|(from, to)| *from..=*to).map(|key| key.to_string()).collect();
                own.extend([(*param, keys.join(",")), ("limit", limit)]);
            }
        }
        (Target::Page(page), _) if !limited => own.push(("page", page.to_string())),
        (Target::Page(page), _) => own.extend([("page", page.to_string()), ("limit", limit)]),
        (Target::After(after), _) => {
            own.extend(after.clone().map(|after| ("after", after)));
            if limited {
                own.push(("limit", less));
            }
        }
        _ => {}
    }
    let pairs = query
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .chain(own.iter().map(|(name, value)| (*name, value.as_str())));
    Ok(Call {
        method: "GET",
        target: url::with_query(&path, pairs),
        endpoint: (template, concurrency),
        body: None,
        what: plan.what(),
    })
}

/// Asks for a target and cuts the answer. `wanted` bounds the records asked for.
///
/// # Errors
/// A parent's key that cannot stand in a path; and see [`Client::read`].
pub async fn fetch(
    client: &Client,
    plan: &Plan,
    parent: &[String],
    target: &Target,
    wanted: Option<u64>,
) -> Result<Fetched, Error> {
    let asked = plan.asked();
    match once(client, plan, target, call(plan, parent, target, wanted)?).await {
        Err(error) if error.status == Some(TOO_LARGE) && plan.refused(asked) => {
            once(client, plan, target, call(plan, parent, target, wanted)?).await
        }
        other => other,
    }
}

/// The status of a request for more records at once than the endpoint gives.
const TOO_LARGE: u16 = 413;

async fn once(client: &Client, plan: &Plan, target: &Target, call: Call) -> Result<Fetched, Error> {
    // A collection below a parent, or a single record, that is not there holds no records; nor does a page that was there when
    // the pages were counted.
    let optional = match (&plan.access, target) {
        (Access::Items { .. }, _) | (_, Target::Page(2..) | Target::Joined { page: 2.., .. }) => true,
        (Access::List(list), _) => url::parameters(list.read.path).next().is_some(),
    };
    let fetched = client.read(call, Patience::Budget, |answer| cut_answer(plan, target, answer)).await;
    match (fetched, &plan.unfold) {
        (Ok(fetched), Some(inside)) => unfold::unfold(client, plan, inside, fetched).await,
        (Err(error), _) if optional && error.kind == Kind::NotFound => {
            let sliced = slice::split(b"[]".to_vec(), crate::table::Envelope::Bare);
            let sliced = sliced.map_err(|malformed| Error::new(Kind::Internal, malformed.to_string()))?;
            Ok(Fetched { sliced, seen: Seen::default(), date: None, inside: None })
        }
        (other, _) => other,
    }
}

fn cut_answer(plan: &Plan, target: &Target, answer: Answer) -> Result<Fetched, String> {
    let date = answer.header("date").and_then(Instant::parse).map(Instant::seconds);
    let (envelope, paging) = match &plan.access {
        Access::Items { item, .. } => (item.envelope, &Pages::Once),
        Access::List(list) => (list.read.envelope, &list.paging),
    };
    // 204, and an empty body, are how some endpoints say that there is nothing.
    let blank = answer.status == 204 || answer.body.iter().all(u8::is_ascii_whitespace);
    let (body, envelope) = if blank { (b"[]".to_vec(), crate::table::Envelope::Bare) } else { (answer.body, envelope) };
    let sliced = slice::split(body, envelope).map_err(|malformed| malformed.to_string())?;
    if !sliced.objects {
        return Err("the records are not objects".to_owned());
    }
    if matches!(sliced.payload, slice::Payload::Absent) {
        return Err("it has no `data`".to_owned());
    }
    let mut seen = Seen { count: sliced.count, ..Seen::default() };
    // Member by member: one of an unexpected type must not hide the others.
    let meta: Value = match sliced.meta.as_deref() {
        Some(meta) => serde_json::from_str(meta).map_err(|error| format!("its `meta` is {error}"))?,
        None => Value::Null,
    };
    let number = |name: &str| meta.pointer(&format!("/pagination/{name}")).and_then(Value::as_u64);
    // Some cache between us and the store gave the answer to another request.
    if let (Target::Page(asked) | Target::Joined { page: asked, .. }, Some(came)) = (target, number("current_page"))
        && sliced.count > 0
        && came != *asked
    {
        return Err(format!("it is page {came}, and page {asked} was asked for"));
    }
    (seen.total, seen.per_page, seen.total_pages) = (number("total"), number("per_page"), number("total_pages"));
    match paging {
        Pages::Keyset { keyset, .. } => {
            let key = |record: Option<&[u8]>| match record {
                None => Ok(None),
                Some(record) => parents::text(record, keyset.field)
                    .and_then(|text| text.parse().ok())
                    .map(Some)
                    .ok_or_else(|| format!("a record has no whole number as `{}`", keyset.field)),
            };
            seen.first = key(sliced.first())?;
            seen.last = key(sliced.last())?;
            // Where the endpoint cannot be told to sort by the key, every record is looked at.
            seen.ordered = keyset.ordered || {
                let keys = scan::lines(&sliced.records).map(|line| key(Some(line))).collect::<Result<Vec<_>, _>>()?;
                if let (Some(least), Some(greatest)) = (keys.iter().min(), keys.iter().max()) {
                    (seen.first, seen.last) = (*least, *greatest);
                }
                keys.is_sorted()
            };
        }
        Pages::Cursor => {
            if let Some(cursor) = meta.get("cursor_pagination") {
                seen.has_cursor = true;
                // `links.next` is what all endpoints agree on; what they say about `end_cursor` contradicts itself.
                seen.next = match cursor.get("links") {
                    Some(Value::Object(links)) => links.get("next").and_then(Value::as_str).and_then(after_of),
                    _ => {
                        cursor.get("end_cursor").and_then(Value::as_str).filter(|_| sliced.count > 0).map(str::to_owned)
                    }
                };
            }
        }
        Pages::After(key) => seen.last_text = sliced.last().and_then(|record| parents::text(record, key)),
        Pages::Once | Pages::Numbers => {}
    }
    if !matches!(paging, Pages::Keyset { .. }) {
        let mut digest = Fnv::default();
        // The ends of a page tell it from every other; hashing all of it would cost more than cutting it.
        for record in [sliced.first(), sliced.last()].into_iter().flatten() {
            digest.bytes(record);
        }
        digest.bytes(&sliced.count.to_le_bytes());
        // The same records on a page of another number are no repetition: as many others came in front of them.
        digest.bytes(&number("current_page").unwrap_or(0).to_le_bytes());
        seen.digest = digest.0;
    }
    Ok(Fetched { sliced, seen, date, inside: None })
}

/// The `after` parameter of a link like `?after=abc&limit=50`.
fn after_of(link: &str) -> Option<String> {
    let query = link.split_once('?').map_or(link, |(_, query)| query);
    let value = query.split('&').find_map(|pair| pair.strip_prefix("after="))?;
    url::decode(value).filter(|value| !value.is_empty())
}

/// Applies what the remote did not: conditions, what an incremental run has delivered before, fields, and the parent's key where
/// records lack it.
///
/// # Errors
/// A record that is no JSON.
pub fn finish(plan: &Plan, fetched: Fetched, parent: &[String], mut watch: Option<&mut Watch>) -> Result<Page, Error> {
    let mut sliced = fetched.sliced;
    if let Some(inside) = fetched.inside {
        sliced.records = inside.concat();
        sliced.count = u32::try_from(scan::lines(&sliced.records).count()).unwrap_or(u32::MAX);
    }
    let inject = plan.injected(parent);
    if plan.local.is_empty() && plan.keep.is_none() && inject.is_empty() && watch.is_none() {
        return Ok(Page { records: sliced.records, count: sliced.count, ..Page::default() });
    }
    let malformed = |malformed: scan::Malformed| crate::remote::nonsense(&plan.what(), &malformed.to_string());
    if let Some(watch) = &mut watch {
        watch.settle(&sliced.records).map_err(malformed)?;
    }
    let mut page = Page { records: Vec::with_capacity(sliced.records.len()), ..Page::default() };
    for line in scan::lines(&sliced.records) {
        let mut record = Cow::Borrowed(line);
        for (name, raw) in &inject {
            // A store that trims records leaves it out of some that hold it otherwise.
            if scan::get(&record, name).map_err(malformed)?.is_some() {
                continue;
            }
            let mut out = Vec::with_capacity(record.len() + 32);
            scan::inject(&record, name, raw.as_bytes(), &mut out).map_err(malformed)?;
            record = Cow::Owned(out);
        }
        let mut holds = true;
        for (path, prepared) in &plan.local {
            if !prepared.holds(scan::get(&record, path).map_err(malformed)?) {
                holds = false;
                break;
            }
        }
        if !holds || watch.as_mut().is_some_and(|watch| !watch.takes(&record)) {
            continue;
        }
        match &plan.keep {
            Some(names) => scan::trim(&record, names, &mut page.records).map_err(malformed)?,
            None => page.records.extend_from_slice(&record),
        }
        page.records.push(b'\n');
        page.count += 1;
    }
    Ok(page)
}

/// Drops the records at the front whose keys are below `begin`: they were delivered with the page before.
///
/// # Errors
/// A record without a key.
pub fn drop_below(plan: &Plan, begin: u128, fetched: &mut Fetched) -> Result<(), Error> {
    let Access::List(List { paging: Pages::Keyset { keyset, .. }, .. }) = &plan.access else { return Ok(()) };
    if fetched.seen.first.is_none_or(|first| first >= begin) {
        return Ok(());
    }
    let (mut bytes, mut count) = (0, 0);
    for line in scan::lines(&fetched.sliced.records) {
        let key: Option<u128> = parents::text(line, keyset.field).and_then(|text| text.parse().ok());
        let key =
            key.ok_or_else(|| crate::remote::nonsense(&plan.what(), "a record has no whole number as its key"))?;
        if key >= begin {
            break;
        }
        bytes += line.len() + 1;
        count += 1;
    }
    fetched.sliced.records.drain(..bytes.min(fetched.sliced.records.len()));
    fetched.sliced.count = fetched.sliced.count.saturating_sub(count);
    if let Some(inside) = &mut fetched.inside {
        inside.drain(..inside.len().min(count as usize));
    }
    Ok(())
}

/// Cuts a page after so many records.
pub fn cut(page: &mut Page, most: u64) {
    if u64::from(page.count) <= most {
        return;
    }
    let keep = usize::try_from(most).unwrap_or(usize::MAX);
    let end = scan::lines(&page.records).take(keep).map(|line| line.len() + 1).sum();
    page.records.truncate(end);
    page.count = u32::try_from(most).unwrap_or(u32::MAX);
}
