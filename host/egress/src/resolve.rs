//! From a name to addresses that may be reached.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use rustls::pki_types::TrustAnchor;
use tower_service::Service;

/// What the door leads to.
#[derive(Clone, Debug)]
pub enum Network {
    /// Every public address, with the certificate authorities that browsers trust.
    Public,
    /// Only these names, wherever they are, with only these authorities: for tests, whose servers are on loopback.
    Only { names: BTreeMap<String, SocketAddr>, roots: Vec<TrustAnchor<'static>> },
}

impl Network {
    pub(crate) fn roots(&self) -> Vec<TrustAnchor<'static>> {
        match self {
            Network::Public => webpki_roots::TLS_SERVER_ROOTS.to_vec(),
            Network::Only { roots, .. } => roots.clone(),
        }
    }
}

#[derive(Clone)]
pub(crate) struct Resolver {
    network: Network,
    system: GaiResolver,
}

impl Resolver {
    pub(crate) fn new(network: Network) -> Self {
        Self { network, system: GaiResolver::new() }
    }
}

/// The name exists, but leads into a private network: a name that somebody else owns can lead anywhere.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves only to private addresses, which Rapport must not call")]
pub(crate) struct OnlyPrivate;

type Found = Result<std::vec::IntoIter<SocketAddr>, Box<dyn std::error::Error + Send + Sync>>;

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Found> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.system.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        match &self.network {
            Network::Only { names, .. } => {
                let found = names.get(name.as_str()).map(|address| vec![*address].into_iter());
                Box::pin(async move { found.ok_or_else(|| "no such name".into()) })
            }
            Network::Public => {
                let found = self.system.call(name);
                Box::pin(async move { public_of(found.await?) })
            }
        }
    }
}

fn public_of(found: impl Iterator<Item = SocketAddr>) -> Found {
    let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
    if public.is_empty() { Err(OnlyPrivate.into()) } else { Ok(public.into_iter()) }
}

/// Whether an address is one of the public internet. All that IANA's special-purpose registries keep for other uses is
/// not: loopback, private networks, link-local (a cloud's metadata service), multicast, documentation, and the forms in
/// which IPv6 carries an IPv4 address.
///
/// Source: IANA IPv4 and IPv6 Special-Purpose Address Registries, 2026.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b, c) {
        // "This network", loopback, private.
        (0 | 10 | 127, ..) | (172, 16..=31, _) | (192, 168, _) => true,
        // Shared by carriers (RFC 6598), link-local.
        (100, 64..=127, _) | (169, 254, _) => true,
        // Protocol assignments, documentation, the former 6to4 relays, benchmarks.
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 18..=19, _) | (198, 51, 100) | (203, 0, 113) => true,
        // Multicast, reserved, broadcast.
        (224..=255, ..) => true,
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Only 2000::/3 is given out as global unicast; in it, these are for other uses.
    let global = segments[0] & 0xe000 == 0x2000;
    let special = match (segments[0], segments[1]) {
        // Teredo and other protocol assignments, documentation, 6to4 (it carries an IPv4 address).
        (0x2001, 0x0000..=0x01ff) | (0x2001, 0x0db8) | (0x2002, _) => true,
        // Documentation (RFC 9637).
        (0x3fff, 0x0000..=0x0fff) => true,
        _ => false,
    };
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_not_public() {
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "2002:a00:1::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["1.1.1.1", "52.94.5.1", "172.32.0.1", "100.128.0.1", "2600:1f18::1", "2a05:d018::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn a_name_of_private_addresses_only_leads_nowhere() {
        let addresses =
            |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<SocketAddr>>().into_iter();
        let mixed: Vec<_> = public_of(addresses(&["10.0.0.1:443", "1.1.1.1:443"])).unwrap().collect();
        assert_eq!(mixed, ["1.1.1.1:443".parse().unwrap()]);
        assert!(public_of(addresses(&["127.0.0.1:443"])).unwrap_err().is::<OnlyPrivate>());
    }
}
