//! Addresses: only the one that was checked is connected to, in whatever notation it is written.

use std::net::IpAddr;
use std::sync::atomic::AtomicU32;

use super::*;

fn asked_for(url: &str, resolver: Resolver) -> Transport {
    let origin: Origin = url.parse().unwrap();
    let egress = Egress::new(vec![origin.clone()], vec![Grant::asked(origin)]);
    Transport::new(Setup { egress, resolver, ..setup(vec![]) })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_turns_to_a_private_address_is_looked_up_once_and_never_reached() {
    static LOOKUPS: AtomicU32 = AtomicU32::new(0);
    fn turning(_: &str) -> Vec<IpAddr> {
        // Public for the check, private for who looks again. 192.0.2.0/24 would be refused: this one only never answers.
        let public = LOOKUPS.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        vec![if public { "203.0.114.1" } else { "127.0.0.1" }.parse().unwrap()]
    }
    let inside = Server::answering(OK).await;
    let url = format!("http://turning.test:{}", inside.port);
    let transport = asked_for(&url, Resolver::Fixed(turning));
    let first = get(&transport, &url).await.unwrap_err();
    assert_eq!(LOOKUPS.load(Ordering::SeqCst), 1, "one look per socket");
    assert!(first.proves_unsent() && !matches!(first, Failure::AddressProhibited), "{first:?}");
    let second = get(&transport, &url).await.unwrap_err();
    assert!(matches!(second, Failure::AddressProhibited), "{second:?}");
    assert_eq!(inside.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_name_with_public_and_private_addresses_only_the_public_ones_are_tried() {
    let inside = Server::answering(OK).await;
    let url = format!("http://both.test:{}", inside.port);
    let both = |_: &str| ["127.0.0.1", "::ffff:127.0.0.1", "203.0.114.1", "::1"].map(|a| a.parse().unwrap()).to_vec();
    let failure = get(&asked_for(&url, Resolver::Fixed(both)), &url).await.unwrap_err();
    assert!(failure.proves_unsent() && !matches!(failure, Failure::AddressProhibited), "{failure:?}");
    assert_eq!(inside.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_are_refused_in_every_notation() {
    let inside = Server::answering(OK).await;
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "0",
        "localhost",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ] {
        let url = format!("http://{host}:{}", inside.port);
        let failure = get(&asked_for(&url, Resolver::System), &url).await.unwrap_err();
        assert!(matches!(failure, Failure::AddressProhibited | Failure::Dns(_)), "{host}: {failure:?}");
    }
    assert_eq!(inside.connections(), 0);
}
