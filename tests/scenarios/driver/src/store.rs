//! The emulated store as a scenario wants it, and what becomes of it between two steps.

use std::time::Duration;

use anyhow::{Context as _, Result};
use bigcommerce_emulator::{Config, Effect, Emulator, Fault, Quota, Sizes, Token};
use serde::Deserialize;

/// The store at the beginning. What is left out is as the emulator has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Setup {
    /// How many there are.
    products: Option<usize>,
    /// How many there are.
    brands: Option<usize>,
    /// How many there are.
    customers: Option<usize>,
    /// How many there are.
    orders: Option<usize>,
    /// Tokens that it accepts, the first of which the connection gets.
    #[serde(default)]
    tokens: Vec<Access>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Access {
    value: String,
    /// All scopes if it is left out.
    scopes: Option<Vec<String>>,
}

/// What becomes of the store between two steps.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Change {
    suspended: Option<bool>,
    latency_ms: Option<u64>,
    pretty: Option<bool>,
    quota: Option<Allowance>,
    #[serde(default)]
    faults: Vec<Trouble>,
    #[serde(default)]
    insert: Vec<Insert>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Allowance {
    requests: u32,
    window_ms: u64,
    #[serde(default)]
    sliding: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Trouble {
    method: String,
    path: String,
    /// The first request that it strikes, counted from 1.
    nth: Option<usize>,
    /// How many it strikes, 1 if left out.
    times: Option<usize>,
    effect: Strikes,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Strikes {
    DelayMs(u64),
    ResetBeforeActing,
    ResetBeforeAnswering,
    ResetInBody,
    InPart,
    Status(u16),
    TooManyMs(u64),
    TooManyBare,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Insert {
    resource: String,
    /// JSON text of the whole record.
    record: String,
}

/// Starts the store.
///
/// # Errors
/// If no port is to be had.
pub fn start(setup: &Setup) -> Result<Emulator> {
    let mut config = Config::default();
    let sizes = Sizes::default();
    config.sizes = Sizes {
        products: setup.products.unwrap_or(sizes.products),
        brands: setup.brands.unwrap_or(sizes.brands),
        customers: setup.customers.unwrap_or(sizes.customers),
        orders: setup.orders.unwrap_or(sizes.orders),
        ..sizes
    };
    if !setup.tokens.is_empty() {
        let token = |access: &Access| Token { value: access.value.clone(), scopes: access.scopes.clone() };
        config.tokens = setup.tokens.iter().map(token).collect();
    }
    Ok(Emulator::launch(config)?)
}

impl Setup {
    /// The usual store with so many products.
    pub(crate) fn with_products(products: usize) -> Self {
        Self { products: Some(products), ..Self::default() }
    }
}

impl Change {
    /// Makes it.
    ///
    /// # Errors
    /// If a record cannot be put in.
    pub fn apply(&self, store: &Emulator) -> Result<()> {
        store.switch(|switches| {
            switches.suspended = self.suspended.unwrap_or(switches.suspended);
            switches.latency = self.latency_ms.map_or(switches.latency, Duration::from_millis);
            switches.pretty = self.pretty.unwrap_or(switches.pretty);
        });
        if let Some(quota) = &self.quota {
            store.set_quota(Quota {
                requests: quota.requests,
                window: Duration::from_millis(quota.window_ms),
                sliding: quota.sliding,
                others_share: 0.0,
            });
        }
        for insert in &self.insert {
            let put = store.store().insert(&insert.resource, &insert.record);
            put.with_context(|| format!("cannot put into {}: {}", insert.resource, insert.record))?;
        }
        self.faults.iter().for_each(|trouble| store.fault(trouble.fault()));
        Ok(())
    }
}

impl Trouble {
    fn fault(&self) -> Fault {
        let effect = match self.effect {
            Strikes::DelayMs(milliseconds) => Effect::Delay(Duration::from_millis(milliseconds)),
            Strikes::ResetBeforeActing => Effect::ResetBeforeActing,
            Strikes::ResetBeforeAnswering => Effect::ResetBeforeAnswering,
            Strikes::ResetInBody => Effect::ResetInBody,
            Strikes::InPart => Effect::InPart,
            Strikes::Status(status) => Effect::status(status),
            Strikes::TooManyMs(milliseconds) => Effect::too_many(Duration::from_millis(milliseconds)),
            Strikes::TooManyBare => Effect::too_many_bare(),
        };
        Fault::on(&self.method, &self.path, effect).nth(self.nth.unwrap_or(1)).times(self.times.unwrap_or(1))
    }
}
