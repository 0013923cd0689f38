//! What `serve` can be told. Nothing is decided here.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use connector_host::Canary;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Address and port; port 0 lets the system choose. The first line on stdout says which.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8017")]
    pub listen: SocketAddr,
    /// Answer only requests that bring the token in this file, as `Authorization: Bearer TOKEN`. Needed where other machines can ask.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Which agent of the environment's group this process is: a name in agents.toml.
    #[arg(long, value_name = "NAME", env = "CONNECTOR_AGENT")]
    pub agent: Option<String>,
    /// Another folder whose files may be named over HTTP, by operations and as `ca_file` of connections; can be repeated. Those of the
    /// project's folder always may.
    #[arg(long, value_name = "FOLDER")]
    pub files: Vec<PathBuf>,
    /// Activities at once, of all connections.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    pub activities: u32,
    /// Requests per second that one client may make, by its address, and twice as many at once; 0: any number.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub rate: u32,
    /// How often to look whether another version of a connector is in use, and whether connections were changed; 0s: never.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    pub look: Duration,
    /// Give another version a share of the activities first, for a time (`10%:60s`), and go back if it does worse than the old one.
    #[arg(long, value_name = "SHARE:TIME", value_parser = canary)]
    pub canary: Option<Canary>,
    /// Connections whose test another version must pass before it serves; `all` for every one. The settings of all are always checked.
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    pub self_test: Vec<String>,
    /// How long activities of a replaced version may go on before they are cancelled in an orderly way.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = time)]
    pub drain: Duration,
    /// How long calls under way may go on when the process shall end, before they are cancelled in an orderly way.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub grace: Duration,
}

/// A time with its unit: `500ms`, `60s`, `10m`.
fn time(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let number = u64::from_str(number).map_err(|_| "a time is a number with a unit: 500ms, 60s, 10m".to_owned())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err("the unit of a time is ms, s or m".to_owned()),
    }
}

/// A share and a time: `10%:60s`.
fn canary(text: &str) -> Result<Canary, String> {
    let (share, length) = text.split_once(':').ok_or("a share and a time, with a colon between them: 10%:60s")?;
    let percent = share.strip_suffix('%').and_then(|percent| percent.parse().ok());
    match percent.filter(|percent| (1..=100).contains(percent)) {
        Some(percent) => Ok(Canary { percent, time: time(length)? }),
        None => Err("the share is 1% to 100%".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_shares_are_read_with_their_units() {
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(canary("10%:60s"), Ok(Canary { percent: 10, time: Duration::from_secs(60) }));
        for wrong in ["", "10", "s", "10 s", "1.5s", "10h"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
        for wrong in ["10%", "10:60s", "0%:60s", "101%:60s", "10%:60", "%:1s"] {
            assert!(canary(wrong).is_err(), "{wrong}");
        }
    }
}
