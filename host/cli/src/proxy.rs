//! The operator's proxy: from the command line, or else from the usual variables of the environment.

use connector_host::{Bypass, ProxyConfig};

use crate::error::{Failure, Result};

/// What to type for no proxy, whatever the environment says.
const NONE: &str = "none";

/// The proxy that connections use that ask for one. `proxy` and `bypass` are options, `variable` reads the environment.
pub(crate) fn configured(
    proxy: Option<&str>,
    bypass: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<ProxyConfig>> {
    let mut config = match proxy.map(str::trim).filter(|proxy| !proxy.is_empty()) {
        Some(NONE) => return Ok(None),
        Some(proxy) => {
            let proxy =
                proxy.parse().map_err(|error| Failure::new("the option --proxy is not valid").causes_of(&error))?;
            let list = ["no_proxy", "NO_PROXY"].into_iter().find_map(&variable).unwrap_or_default();
            ProxyConfig { bypass: Bypass::new(&list), ..ProxyConfig::new(proxy) }
        }
        None => match ProxyConfig::from_environment(variable) {
            Ok(Some(config)) => config,
            Ok(None) => return Ok(None),
            Err((name, error)) => {
                let failure = Failure::new(format!("the environment variable {name} is not valid")).causes_of(&error);
                return Err(failure.hint(format!("correct {name}, or pass --proxy, which may be `{NONE}`")).into());
            }
        },
    };
    if let Some(list) = bypass {
        config.bypass = Bypass::new(list);
    }
    Ok(Some(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(proxy: Option<&str>, bypass: Option<&str>, environment: &[(&str, &str)]) -> Result<Option<ProxyConfig>> {
        configured(proxy, bypass, |name| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_option_counts_before_the_environment_and_may_switch_it_off() {
        let environment = [("HTTPS_PROXY", "http://environment:1"), ("NO_PROXY", "a.test")];
        let config = of(None, None, &environment).unwrap().unwrap();
        assert_eq!(config.https.unwrap(), "http://environment:1".parse().unwrap());
        assert_eq!((config.http, config.bypass), (None, Bypass::new("a.test")));
        let config = of(Some("socks5://option"), None, &environment).unwrap().unwrap();
        assert_eq!(config.http.unwrap(), "socks5://option".parse().unwrap());
        assert_eq!(config.bypass, Bypass::new("a.test"));
        let config = of(Some("socks5://option"), Some("b.test"), &environment).unwrap().unwrap();
        assert_eq!(config.bypass, Bypass::new("b.test"));
        assert_eq!(of(Some("none"), None, &environment).unwrap(), None);
        assert_eq!(of(None, Some("b.test"), &[]).unwrap(), None);
    }

    #[test]
    fn what_is_no_proxy_is_told_without_repeating_it() {
        for (proxy, environment) in [(Some("secret"), vec![]), (None, vec![("ALL_PROXY", "ftp://secret")])] {
            let told = format!("{:?}", of(proxy, None, &environment).unwrap_err());
            assert!(!told.contains("secret"), "{told}");
            assert!(told.contains("--proxy"), "{told}");
        }
    }
}
