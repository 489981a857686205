//! `inet`, `cidr`, `macaddr`, `macaddr8`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use proptest::prelude::*;
use stellata_protocol::types::network::{Cidr, Inet, MacAddr, MacAddr8};
use stellata_protocol::{Oid, Params};
use stellata_testkit::Database;

use super::printed::{connect, drawn, edges, refuses, written};

/// Every way in which an IPv6 address is shortened, or is not.
const NETWORKS: [&str; 46] = [
    "0.0.0.0/0",
    "0.0.0.0/32",
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.2.0/24",
    "10.1.2.3/32",
    "127.0.0.0/8",
    "128.0.0.0/1",
    "192.168.0.0/16",
    "192.168.100.128/25",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "255.255.255.254/31",
    "1.2.3.4/32",
    "169.254.0.0/16",
    "::/0",
    "::/128",
    "::1/128",
    "::2/128",
    "::ffff/128",
    "::1:0/112",
    "::1:2/128",
    "::1.2.3.4/128",
    "::255.255.255.255/128",
    "::ffff:1.2.3.4/128",
    "::ffff:0:0/96",
    "::ffff:0.0.0.1/128",
    "::fffe:1.2.3.4/128",
    "::5:0:0/96",
    "::1:2:3:4:5:6:7/128",
    "1::/16",
    "1::1/128",
    "0:1::/32",
    "0:1::1/128",
    "1:0:0:2::3/128",
    "1:0:0:2:0:0:0:3/128",
    "1:0:2:3:4:5:6:7/128",
    "1:2:3:4:5:6:7:0/112",
    "1:2:3:4:5:6:0:0/96",
    "0:0:1:2:3:4:0:0/96",
    "2001:db8::/32",
    "2001:db8:0:0:1::/80",
    "fe80::/10",
    "ff02::1/128",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
    "8000::/1",
];

const HOSTS: [&str; 12] = [
    "10.1.2.3/8",
    "10.1.2.3/0",
    "255.255.255.255/1",
    "1.2.3.5/31",
    "1.2.3.4",
    "0.0.0.0",
    "::1/0",
    "::1:2/64",
    "2001:db8::1/32",
    "::ffff:1.2.3.4/96",
    "fe80::1/127",
    "ffff::ffff",
];

#[stellata_testkit::test]
async fn addresses_are_those_of_the_server(database: &Database) {
    let mut connection = connect(database).await;
    edges::<Cidr>(&mut connection, "cidr", &NETWORKS).await;
    edges::<Inet>(&mut connection, "inet", &[&NETWORKS[..], &HOSTS].concat()).await;
    for text in NETWORKS {
        assert_eq!(text.parse::<Cidr>().unwrap().to_string().parse(), text.parse::<Cidr>());
    }
    for text in HOSTS.into_iter().take(4) {
        assert!(text.parse::<Cidr>().is_err());
        refuses(&mut connection, "cidr", text).await;
    }
    drawn(&mut connection, any_inet()).await;
    drawn(&mut connection, any_inet().prop_map(|inet| inet.network())).await;
}

#[stellata_testkit::test]
async fn addresses_of_the_standard_library_are_hosts(database: &Database) {
    let mut connection = connect(database).await;
    let hosts = "select host(a), a from unnest($1::inet[]) a";
    let four: Vec<_> = [0, 1, 0x0102_0304, u32::MAX].map(Ipv4Addr::from_bits).into();
    let back: Vec<(String, Ipv4Addr)> = connection.query(hosts, (&four,)).await.unwrap();
    for (address, (text, back)) in four.iter().zip(&back) {
        assert_eq!((address, address.to_string()), (back, text.clone()));
    }
    let six: Vec<_> = [0, 1, 1 << 127, u128::MAX].map(Ipv6Addr::from_bits).into();
    let back: Vec<(String, Ipv6Addr)> = connection.query(hosts, (&six,)).await.unwrap();
    for (address, (text, back)) in six.iter().zip(&back) {
        assert_eq!((address, Ok(*address)), (back, text.parse()));
    }
    let both: Vec<IpAddr> =
        four.into_iter().map(IpAddr::from).chain(six.into_iter().map(IpAddr::from)).collect();
    let (back,): (Vec<IpAddr>,) =
        connection.query_one("select $1::inet[]", (&both,)).await.unwrap();
    assert_eq!(back, both);
    let error = connection.query_one::<(IpAddr,)>("select '10.1.2.3/8'::inet", ()).await;
    assert!(error.unwrap_err().to_string().contains("prefix is shorter"));
}

#[stellata_testkit::test]
async fn an_ipnet_is_an_inet_or_a_cidr(database: &Database) {
    let mut connection = connect(database).await;
    let networks: Vec<IpNet> = NETWORKS.iter().map(|text| text.parse().unwrap()).collect();
    let masks = "select masklen(a), a from unnest($1::cidr[]) a";
    let mut params = Params::new();
    params.push_as(Oid::CIDR_ARRAY, &networks).unwrap();
    let back: Vec<(i32, IpNet)> = connection.query(masks, &params).await.unwrap();
    assert_eq!(back.len(), networks.len());
    for (network, (mask, back)) in networks.iter().zip(back) {
        assert_eq!((*network, i32::from(network.prefix_len())), (back, mask));
    }
    let host: IpNet = "10.1.2.3/8".parse().unwrap();
    let back: (IpNet,) = connection.query_one("select $1::inet", (host,)).await.unwrap();
    assert_eq!(back, (host,));
    assert!(params.push_as(Oid::CIDR, &host).is_err());
}

#[stellata_testkit::test]
async fn hardware_addresses_are_those_of_the_server(database: &Database) {
    let mut connection = connect(database).await;
    let mut short: Vec<_> = (0..48).map(|bit| format!("{:012x}", 1_u64 << bit)).collect();
    short.extend(
        [
            "000000000000",
            "ffffffffffff",
            "08002b010203",
            "08:00:2b:01:02:03",
            "08-00-2B-01-02-03",
            "0800.2b01.0203",
            "08002b-010203",
        ]
        .map(str::to_owned),
    );
    let texts: Vec<_> = short.iter().map(String::as_str).collect();
    edges::<MacAddr>(&mut connection, "macaddr", &texts).await;
    // The longer type takes the shorter addresses too, and puts `ff:fe` into their middle.
    let long: Vec<_> = (0..64).map(|bit| format!("{:016x}", 1_u64 << bit)).collect();
    let both: Vec<_> = texts.iter().copied().chain(long.iter().map(String::as_str)).collect();
    edges::<MacAddr8>(&mut connection, "macaddr8", &both).await;
    drawn(&mut connection, any::<[u8; 6]>().prop_map(MacAddr)).await;
    drawn(&mut connection, any::<[u8; 8]>().prop_map(MacAddr8)).await;
    let (cast,): (MacAddr8,) =
        connection.query_one("select $1::macaddr::macaddr8", (MacAddr([1; 6]),)).await.unwrap();
    assert_eq!(cast, MacAddr8::from(MacAddr([1; 6])));
    let mixed = vec![MacAddr8([0; 8]), MacAddr8([0xff; 8])];
    written(&mut connection, "macaddr8", mixed).await;
}

fn any_inet() -> impl Strategy<Value = Inet> {
    prop_oneof![
        (any::<u32>(), 0..=32_u8)
            .prop_map(|(bits, prefix)| Inet::new(Ipv4Addr::from_bits(bits).into(), prefix)),
        // Groups of zeros anywhere.
        (any::<[u16; 8]>(), any::<[bool; 8]>(), 0..=128_u8).prop_map(|(groups, kept, prefix)| {
            let mut address = groups;
            for (group, kept) in address.iter_mut().zip(kept) {
                *group *= u16::from(kept);
            }
            Inet::new(Ipv6Addr::from(address).into(), prefix)
        }),
    ]
    .prop_map(Result::unwrap)
}
