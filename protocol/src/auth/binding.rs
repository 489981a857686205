//! Which mechanism, and how it is tied to the TLS channel below it (RFC 5802, section 6; RFC 5929, section 4).

use crate::error::{Error, ErrorKind, Result};

/// SCRAM with SHA-256 (RFC 7677), not tied to a channel.
pub const SCRAM_SHA_256: &str = "SCRAM-SHA-256";

/// SCRAM with SHA-256 (RFC 7677), tied to the TLS channel.
pub const SCRAM_SHA_256_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// What the client wants: libpq's `channel_binding`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChannelBindingPolicy {
    /// Never tie the login to the channel.
    Disable,
    /// Tie it when both sides can.
    #[default]
    Prefer,
    /// Tie it, or do not log in.
    Require,
}

impl ChannelBindingPolicy {
    /// Whether a login may stand that is not tied to the channel: SCRAM without binding, MD5, a password in clear, or
    /// none at all.
    #[must_use]
    pub const fn admits_unbound(self) -> bool {
        !matches!(self, Self::Require)
    }
}

/// How an exchange is tied to the TLS channel. It settles the mechanism as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// The client can't or will not: `n`, with [`SCRAM_SHA_256`].
    None,
    /// The client could, but the server does not offer it: `y`, with [`SCRAM_SHA_256`]. A server that did offer it
    /// refuses this, since somebody between has changed the list.
    NotOffered,
    /// Tied to the server's certificate: `p=tls-server-end-point`, with [`SCRAM_SHA_256_PLUS`]. It holds the hash of
    /// the certificate as RFC 5929, section 4.1, defines it: the hash function of the certificate's signature,
    /// SHA-256 in place of MD5 and SHA-1, over the certificate in DER.
    TlsServerEndPoint(Vec<u8>),
}

impl ChannelBinding {
    /// The name of the mechanism for `SASLInitialResponse`.
    #[must_use]
    pub const fn mechanism(&self) -> &'static str {
        match self {
            Self::None | Self::NotOffered => SCRAM_SHA_256,
            Self::TlsServerEndPoint(_) => SCRAM_SHA_256_PLUS,
        }
    }

    /// `gs2-header` of RFC 5802, without an identity to act for.
    pub(super) const fn header(&self) -> &'static str {
        match self {
            Self::None => "n,,",
            Self::NotOffered => "y,,",
            Self::TlsServerEndPoint(_) => "p=tls-server-end-point,,",
        }
    }

    /// `cbind-data` of RFC 5802.
    pub(super) fn data(&self) -> &[u8] {
        match self {
            Self::None | Self::NotOffered => &[],
            Self::TlsServerEndPoint(hash) => hash,
        }
    }
}

/// Chooses among the mechanisms that `AuthenticationSASL` lists, the strongest that `policy` allows.
///
/// `end_point` is the hash of the server's certificate for [`ChannelBinding::TlsServerEndPoint`], or `None` when there
/// is no TLS or the certificate has no hash that the standard defines (Ed25519). Unknown mechanisms are passed over.
///
/// ```
/// use stellata_protocol::auth::{ChannelBinding, ChannelBindingPolicy, SCRAM_SHA_256, choose_binding};
/// let binding = choose_binding(["SCRAM-SHA-256"], None, ChannelBindingPolicy::Prefer)?;
/// assert_eq!(binding, ChannelBinding::None);
/// assert_eq!(binding.mechanism(), SCRAM_SHA_256);
/// # Ok::<(), stellata_protocol::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Authentication`] when the server lists no mechanism that is known here and that `policy` allows, and
/// under [`ChannelBindingPolicy::Require`] whenever the login can't be tied to the channel.
pub fn choose_binding<'a>(
    mechanisms: impl IntoIterator<Item = &'a str>,
    end_point: Option<Vec<u8>>,
    policy: ChannelBindingPolicy,
) -> Result<ChannelBinding> {
    let (mut plain, mut plus) = (false, false);
    for mechanism in mechanisms {
        plain |= mechanism == SCRAM_SHA_256;
        plus |= mechanism == SCRAM_SHA_256_PLUS;
    }
    let end_point = if policy == ChannelBindingPolicy::Disable { None } else { end_point };
    match end_point {
        Some(hash) if plus => Ok(ChannelBinding::TlsServerEndPoint(hash)),
        Some(_) if !policy.admits_unbound() => Err(refused(
            "channel binding is required, but the server does not offer SCRAM-SHA-256-PLUS",
        )),
        None if !policy.admits_unbound() => Err(refused(
            "channel binding is required, but the connection has nothing to bind to (no TLS, or a certificate without \
             a hash)",
        )),
        Some(_) if plain => Ok(ChannelBinding::NotOffered),
        None if plain => Ok(ChannelBinding::None),
        None if plus => Err(refused(
            "the server offers only SCRAM-SHA-256-PLUS, which needs TLS with a certificate that has a hash, and channel \
             binding not switched off",
        )),
        Some(_) | None => Err(refused(
            "the server offers no SASL mechanism that is supported: let it offer SCRAM-SHA-256, or OAUTHBEARER",
        )),
    }
}

const fn refused(message: &'static str) -> Error {
    Error::new(ErrorKind::Authentication, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ChannelBindingPolicy::{Disable, Prefer, Require};

    /// Every list (unknown mechanisms always among it) with and without a hash, under every policy.
    #[test]
    fn table_of_choices() {
        const NEITHER: &[&str] = &["OAUTHBEARER", "scram-sha-256", "SCRAM-SHA-1", ""];
        const PLAIN: &[&str] = &["OAUTHBEARER", SCRAM_SHA_256];
        const PLUS: &[&str] = &["SCRAM-SHA-512-PLUS", SCRAM_SHA_256_PLUS];
        const BOTH: &[&str] = &[SCRAM_SHA_256_PLUS, SCRAM_SHA_256, "X"];
        let cases = [
            (Disable, false, NEITHER, None),
            (Disable, false, PLAIN, Some('n')),
            (Disable, false, PLUS, None),
            (Disable, false, BOTH, Some('n')),
            (Disable, true, NEITHER, None),
            (Disable, true, PLAIN, Some('n')),
            (Disable, true, PLUS, None),
            (Disable, true, BOTH, Some('n')),
            (Prefer, false, NEITHER, None),
            (Prefer, false, PLAIN, Some('n')),
            (Prefer, false, PLUS, None),
            (Prefer, false, BOTH, Some('n')),
            (Prefer, true, NEITHER, None),
            (Prefer, true, PLAIN, Some('y')),
            (Prefer, true, PLUS, Some('p')),
            (Prefer, true, BOTH, Some('p')),
            (Require, false, NEITHER, None),
            (Require, false, PLAIN, None),
            (Require, false, PLUS, None),
            (Require, false, BOTH, None),
            (Require, true, NEITHER, None),
            (Require, true, PLAIN, None),
            (Require, true, PLUS, Some('p')),
            (Require, true, BOTH, Some('p')),
        ];
        for (policy, has_hash, list, expected) in cases {
            let hash = has_hash.then(|| vec![7; 32]);
            let chosen = choose_binding(list.iter().copied(), hash, policy);
            let case = format!("{policy:?} {has_hash} {list:?}: {chosen:?}");
            match (chosen, expected) {
                (Ok(binding), Some(flag)) => {
                    assert_eq!(binding.header().chars().next(), Some(flag), "{case}");
                    let (name, data) = if flag == 'p' {
                        (SCRAM_SHA_256_PLUS, &[7; 32][..])
                    } else {
                        (SCRAM_SHA_256, &[][..])
                    };
                    assert_eq!((binding.mechanism(), binding.data()), (name, data), "{case}");
                    assert!(list.contains(&name), "{case}");
                }
                (Err(error), None) => assert_eq!(error.kind(), ErrorKind::Authentication, "{case}"),
                _ => panic!("{case}"),
            }
        }
    }

    #[test]
    fn an_error_names_what_is_missing() {
        let message = |list: &[&str], hash: Option<Vec<u8>>, policy| {
            choose_binding(list.iter().copied(), hash, policy).unwrap_err().message()
        };
        assert!(message(&[SCRAM_SHA_256], Some(vec![1]), Require).contains("does not offer"));
        assert!(message(&[SCRAM_SHA_256_PLUS], None, Require).contains("nothing to bind to"));
        assert!(message(&[SCRAM_SHA_256_PLUS], None, Prefer).contains("only SCRAM-SHA-256-PLUS"));
        assert!(message(&[], None, Prefer).contains("no SASL mechanism"));
    }

    #[test]
    fn only_require_refuses_an_unbound_login() {
        assert!(Disable.admits_unbound() && Prefer.admits_unbound() && !Require.admits_unbound());
        assert_eq!(ChannelBindingPolicy::default(), Prefer);
    }
}
