//! How an emulated store is set up, and the switches that change its behaviour while it runs.

use std::time::Duration;

/// An access token and what it may do.
#[derive(Clone, Debug)]
pub struct Token {
    /// What goes into `X-Auth-Token`.
    pub value: String,
    /// OAuth scopes by name (`store_v2_products_read_only`); `None` grants everything.
    pub scopes: Option<Vec<String>>,
}

impl Token {
    /// A token that may do everything.
    pub fn all(value: impl Into<String>) -> Self {
        Self { value: value.into(), scopes: None }
    }

    /// A token with these scopes only.
    pub fn with_scopes(value: impl Into<String>, scopes: &[&str]) -> Self {
        Self { value: value.into(), scopes: Some(scopes.iter().map(|s| (*s).to_owned()).collect()) }
    }
}

/// How many records of the larger objects are made. All other objects get a handful.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Products of about 2.5 KB.
    pub products: usize,
    /// Brands.
    pub brands: usize,
    /// Categories.
    pub categories: usize,
    /// Customers, each with one to three addresses.
    pub customers: usize,
    /// Orders, each with one to four products.
    pub orders: usize,
    /// Coupons.
    pub coupons: usize,
    /// Records per parent (or per store) of every other object; 0 leaves them empty.
    pub others: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { products: 500, brands: 60, categories: 80, customers: 300, orders: 200, coupons: 120, others: 3 }
    }
}

/// How requests are counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quota {
    /// Requests per window.
    pub requests: u32,
    /// Length of a window.
    pub window: Duration,
    /// Windows slide instead of starting anew.
    pub sliding: bool,
    /// Share of the quota that another consumer takes, spread evenly over each window: 0.0 to 1.0.
    pub others_share: f64,
}

impl Default for Quota {
    /// So much that no test meets it by accident.
    fn default() -> Self {
        Self { requests: 1_000_000, window: Duration::from_secs(30), sliding: false, others_share: 0.0 }
    }
}

/// How a store is made. [`Config::default`] serves a small store with one all-powerful token.
#[derive(Clone, Debug)]
pub struct Config {
    /// Port of the HTTP server; 0 takes a free one.
    pub port: u16,
    /// Serves HTTPS as well, on a free port, with a certificate of the emulator's own authority.
    pub https: bool,
    /// Store hash, part of every path.
    pub store_hash: String,
    /// Accepted tokens.
    pub tokens: Vec<Token>,
    /// Seed of the sample data: the same seed gives the same store.
    pub seed: u64,
    /// How much sample data there is.
    pub sizes: Sizes,
    /// Requests that the store allows.
    pub quota: Quota,
    /// Initial switches.
    pub switches: Switches,
    /// How long an idle connection is kept; announced as `Keep-Alive: timeout=N` from one second
    /// on. `None` keeps it for ever.
    pub idle_timeout: Option<Duration>,
    /// Entries that the journal keeps; older ones are dropped first.
    pub journal_limit: usize,
    /// Threads that serve.
    pub threads: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            port: 0,
            https: true,
            store_hash: "emu1ated".to_owned(),
            tokens: vec![Token::all("emulated-token")],
            seed: 1,
            sizes: Sizes::default(),
            quota: Quota::default(),
            switches: Switches::default(),
            idle_timeout: None,
            journal_limit: 500_000,
            threads: 2,
        }
    }
}

/// What an answer is where the API says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Empty {
    /// 200 with an empty list.
    List,
    /// 204 without a body.
    NoContent,
    /// 404.
    NotFound,
}

/// How `:like` compares texts, always without regard to case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Like {
    /// The text occurs anywhere; `%` at its ends changes nothing.
    Contains,
    /// The text is a pattern: `%` stands for any characters, and without one the whole value must be equal.
    Pattern,
}

/// Behaviour that can be changed at any time. Where the API's documents say nothing, both readings of them are here.
#[derive(Clone, Debug)]
pub struct Switches {
    /// Every answer comes so much later.
    pub latency: Duration,
    /// The store is suspended: 503 for everything.
    pub suspended: bool,
    /// JSON comes over many lines.
    pub pretty: bool,
    /// A `limit` above the maximum is refused with 413 instead of being capped.
    pub refuse_large_limit: bool,
    /// The maximum of `limit` where none is documented.
    pub undocumented_cap: usize,
    /// What `:like` means.
    pub like: Like,
    /// A query parameter that is not documented is refused with 400 instead of being ignored.
    pub refuse_unknown_parameters: bool,
    /// Longest address of a request (path and query, in bytes) that is not answered 414.
    pub longest_url: usize,
    /// Metafield lists name their cursors the other way round: the way on is `start_cursor`, as one of the documents says.
    /// `links` lead right in either case.
    pub swapped_metafield_cursors: bool,
    /// Status of a record whose name, SKU or the like is taken; `None` is 409 where the operation declares it, else 422.
    pub duplicate_status: Option<u16>,
    /// A batch that is refused with 422 because of one record saves the others all the same, where the documents leave it
    /// open: price list records, locations, pickups.
    pub refused_batches_save_the_rest: bool,
    /// Error bodies carry the optional fields too: `instance`, `code` and `detail` (v3), `details` (v2).
    pub verbose_errors: bool,
    /// What a v3 page past the last one is.
    pub v3_past_end: Empty,
    /// What a v2 page past the last one is.
    pub v2_past_end: Empty,
    /// Lists that declare 204 answer so when they are empty.
    pub empty_lists_no_content: bool,
    /// Page size of lists that declare no paging but have totals; `None` gives everything at once.
    pub undeclared_page_size: Option<usize>,
    /// Order lists hold archived orders too.
    pub list_archived_orders: bool,
    /// A DELETE whose filter is optional by the documents, sent without one, deletes everything. Otherwise 422.
    pub optional_filter_deletes_all: bool,
    /// A DELETE of a record that does not exist answers 404 where the documents do not say; otherwise 204.
    pub delete_missing_is_404: bool,
    /// Documented limits of requests at a time are enforced (429 without rate-limit headers).
    pub concurrency_limits: bool,
    /// Answers carry the `X-Rate-Limit-*` headers.
    pub quota_headers: bool,
    /// A 429 for the quota carries them.
    pub quota_headers_on_429: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            suspended: false,
            pretty: false,
            refuse_large_limit: true,
            undocumented_cap: 250,
            like: Like::Contains,
            refuse_unknown_parameters: false,
            longest_url: 8_192,
            swapped_metafield_cursors: false,
            duplicate_status: None,
            refused_batches_save_the_rest: false,
            verbose_errors: false,
            v3_past_end: Empty::List,
            v2_past_end: Empty::NoContent,
            empty_lists_no_content: false,
            undeclared_page_size: None,
            list_archived_orders: false,
            optional_filter_deletes_all: true,
            delete_missing_is_404: true,
            concurrency_limits: true,
            quota_headers: true,
            quota_headers_on_429: true,
        }
    }
}
