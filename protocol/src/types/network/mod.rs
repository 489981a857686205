//! Network addresses: [`Inet`], [`Cidr`], [`MacAddr`], [`MacAddr8`], and the addresses of the standard library as `inet`
//! (manual: "Network Address Types").
//!
//! The crate `ipnet`'s `IpNet` is `inet` and `cidr` with the feature `ipnet`.

mod address;
mod host;
#[cfg(feature = "ipnet")]
mod ipnet;
mod mac;

pub use address::{Cidr, Inet};
pub use mac::{MacAddr, MacAddr8};
