//! One configured connection, as the exports see it: settings taken once, then activities.

use std::cell::RefCell;
use std::rc::Rc;

use crate::check;
use crate::client::Client;
use crate::error::{Error, Kind};
use crate::host::{Host, Level};
use crate::plan::{self, Access};
use crate::reader::Reader;
use crate::resolve;
use crate::settings::Settings;
use crate::types::{Identity, Outcome, Page, Plan, QueryRequest, Verb, WriteRequest};
use crate::write;

/// One connection. Calls do not overlap.
pub struct Connector {
    client: Client,
    /// The query under way, with the cursor that its next page is expected to be asked for with.
    reading: RefCell<Option<Reading>>,
}

struct Reading {
    reader: Reader,
    digest: u64,
    max_records: Option<u64>,
    expects: Option<String>,
}

impl Connector {
    /// Takes the settings.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn configure(host: Rc<dyn Host>, settings: &str) -> Result<Self, Vec<Error>> {
        let settings = Settings::parse(settings, &*host)?;
        host.transport(settings.use_proxy, settings.keep_alive_seconds).map_err(|error| vec![error])?;
        Ok(Self { client: Client::new(host, Rc::new(settings)), reading: RefCell::new(None) })
    }

    /// Tests the connection.
    ///
    /// # Errors
    /// Why it does not work.
    pub async fn test(&self) -> Result<Identity, Error> {
        check::test(&self.client).await
    }

    /// One page of a query. What was read ahead serves the next call if it asks for what comes next.
    ///
    /// # Errors
    /// A request that makes no sense, or what kept it from being answered.
    pub async fn query(&self, request: &QueryRequest) -> Result<Page, Error> {
        let digest = crate::cursor::digest(request, self.client.settings());
        let ahead = self.reading.borrow_mut().take().filter(|reading| {
            request.cursor.is_some()
                && reading.digest == digest
                && reading.max_records == request.max_records
                && reading.expects == request.cursor
        });
        let mut reader = match ahead {
            Some(reading) => reading.reader,
            None => {
                let plan = plan::plan(request, self.client.settings())?;
                Reader::new(self.client.clone(), plan, request.cursor.as_deref())?
            }
        };
        let page = reader.page().await?;
        if page.state.is_some() && reader.forgets() {
            let message = "more records changed within a short time than can be remembered: the next incremental read may deliver some of them again";
            self.client.host().log(Level::Warn, message, &[("object", request.object.clone())]);
        }
        if page.next.is_some() {
            let reading = Reading { reader, digest, max_records: request.max_records, expects: page.next.clone() };
            *self.reading.borrow_mut() = Some(reading);
        }
        Ok(page)
    }

    /// How a query would be run.
    ///
    /// # Errors
    /// A request that makes no sense.
    pub fn explain(&self, request: &QueryRequest) -> Result<Plan, Error> {
        let plan = plan::plan(request, self.client.settings())?;
        if let Some(cursor) = &request.cursor {
            crate::cursor::read(crate::incremental::place(cursor), plan.digest)?;
        }
        Ok(Plan { requests: plan.requests(), stable: plan.stable, steps: plan.steps })
    }

    /// Creates, updates or deletes.
    ///
    /// # Errors
    /// The request as a whole makes no sense; nothing was sent.
    pub async fn write(&self, verb: Verb, request: &WriteRequest) -> Result<Vec<Outcome>, Error> {
        write::write(&self.client, verb, request).await
    }

    /// Looks up what became of records.
    ///
    /// # Errors
    /// The request as a whole makes no sense.
    pub async fn resolve(&self, verb: Verb, request: &WriteRequest) -> Result<Vec<Outcome>, Error> {
        resolve::resolve(&self.client, verb, request).await
    }
}

/// The failure of every call before `configure`.
pub fn not_configured() -> Error {
    Error::new(Kind::Configuration, "`configure` has to come first")
}

impl plan::Plan {
    /// Requests of a complete read, where that is known without asking.
    pub fn requests(&self) -> Option<u64> {
        let of_parents = |parents: &plan::Parents| match parents {
            plan::Parents::None => Some(1),
            plan::Parents::Given(all) => Some(all.len() as u64),
            plan::Parents::Walk(..) => None,
        };
        match &self.access {
            Access::Items { keys, .. } => Some(keys.len() as u64),
            Access::List(list) if matches!(list.paging, plan::Pages::Once) => of_parents(&list.parents),
            Access::List(_) => None,
        }
    }
}
