//! Which ways of logging in the client takes: libpq's `require_auth` (manual: "Parameter Key Words").

use core::{fmt, str::FromStr};

use zeroize::Zeroizing;

/// A way in which a server may ask a client to prove itself: a word of libpq's `require_auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AuthMethod {
    /// Nothing is asked: `trust`, `peer` and `cert` in `pg_hba.conf`.
    None,
    /// The password as it is: `password`, and what LDAP, PAM, RADIUS and BSD authentication look like from here.
    Password,
    /// The password hashed with MD5.
    Md5,
    /// Kerberos by GSSAPI. Stellata does not speak it; it can be forbidden all the same.
    Gss,
    /// Kerberos or NTLM by Windows. Stellata does not speak it; it can be forbidden all the same.
    Sspi,
    /// SCRAM-SHA-256, tied to the TLS channel or not.
    ScramSha256,
    /// An OAuth bearer token, by OAUTHBEARER.
    OAuth,
}

impl AuthMethod {
    /// All methods, in the order of their words here.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Password,
        Self::Md5,
        Self::Gss,
        Self::Sspi,
        Self::ScramSha256,
        Self::OAuth,
    ];

    /// The word for it in `require_auth`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Password => "password",
            Self::Md5 => "md5",
            Self::Gss => "gss",
            Self::Sspi => "sspi",
            Self::ScramSha256 => "scram-sha-256",
            Self::OAuth => "oauth",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::None => 1,
            Self::Password => 1 << 1,
            Self::Md5 => 1 << 2,
            Self::Gss => 1 << 3,
            Self::Sspi => 1 << 4,
            Self::ScramSha256 => 1 << 5,
            Self::OAuth => 1 << 6,
        }
    }
}

impl fmt::Display for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The methods that the client takes: libpq's `require_auth`. All of them, unless said.
///
/// It is read from a list of words with commas between, and no spaces: the methods that are taken, or, each with a `!`
/// in front, those that are not. Empty text allows all. Whatever the server asks for beside them is refused before
/// anything is sent in answer.
///
/// ```
/// use stellata_protocol::auth::{AuthMethod, RequireAuth};
/// let only: RequireAuth = "scram-sha-256,oauth".parse()?;
/// assert!(only.allows(AuthMethod::ScramSha256) && !only.allows(AuthMethod::None));
/// let others: RequireAuth = "!password,!md5".parse()?;
/// assert!(others.allows(AuthMethod::ScramSha256) && !others.allows(AuthMethod::Md5));
/// assert_eq!(others.to_string(), "!password,!md5");
/// assert!("password,!md5".parse::<RequireAuth>().is_err());
/// # Ok::<(), stellata_protocol::auth::RequireAuthError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequireAuth {
    allowed: u8,
    /// The words were those that are not taken. It tells how to write them.
    negated: bool,
}

impl RequireAuth {
    /// All methods.
    pub const ANY: Self = Self::all_but(&[]);

    /// These methods alone.
    #[must_use]
    pub const fn only(methods: &[AuthMethod]) -> Self {
        Self { allowed: bits(methods), negated: false }
    }

    /// All methods but these.
    #[must_use]
    pub const fn all_but(methods: &[AuthMethod]) -> Self {
        Self { allowed: bits(&AuthMethod::ALL) & !bits(methods), negated: true }
    }

    /// Whether the client takes this method.
    #[must_use]
    pub const fn allows(self, method: AuthMethod) -> bool {
        self.allowed & method.bit() != 0
    }
}

const fn bits(mut methods: &[AuthMethod]) -> u8 {
    let mut bits = 0;
    while let [method, rest @ ..] = methods {
        bits |= method.bit();
        methods = rest;
    }
    bits
}

impl Default for RequireAuth {
    fn default() -> Self {
        Self::ANY
    }
}

impl FromStr for RequireAuth {
    type Err = RequireAuthError;

    fn from_str(list: &str) -> Result<Self, RequireAuthError> {
        if list.is_empty() {
            return Ok(Self::ANY);
        }
        let negated = list.starts_with('!');
        let mut seen = 0;
        for part in list.split(',') {
            let fault = |fault| RequireAuthError { fault, word: Zeroizing::new(part.to_owned()) };
            let word = match part.strip_prefix('!') {
                Some(_) if !negated => return Err(fault(Fault::NegativeAmongOthers)),
                Some(word) => word,
                None if negated => return Err(fault(Fault::AmongNegative)),
                None => part,
            };
            let known = AuthMethod::ALL.into_iter().find(|method| method.word() == word);
            let Some(method) = known else { return Err(fault(Fault::Unknown)) };
            if seen & method.bit() != 0 {
                return Err(fault(Fault::Twice));
            }
            seen |= method.bit();
        }
        let allowed = if negated { bits(&AuthMethod::ALL) & !seen } else { seen };
        Ok(Self { allowed, negated })
    }
}

/// The list as [`FromStr`] reads it.
impl fmt::Display for RequireAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.negated { "!" } else { "" };
        let named =
            AuthMethod::ALL.into_iter().filter(|&method| self.allows(method) != self.negated);
        for (index, method) in named.enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{mark}{method}")?;
        }
        Ok(())
    }
}

/// A list of methods that can't be read: a word that is not known or stands there twice, or words with and without `!`.
/// The sentences are libpq's.
#[derive(Clone, PartialEq, Eq)]
pub struct RequireAuthError {
    fault: Fault,
    /// As it stands in the list. Overwritten when dropped: who mixes up two settings may have put a password here.
    word: Zeroizing<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Unknown,
    Twice,
    AmongNegative,
    NegativeAmongOthers,
}

impl fmt::Display for RequireAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = &*self.word;
        match self.fault {
            Fault::Unknown => {
                let word = word.strip_prefix('!').unwrap_or(word);
                write!(f, "invalid require_auth value: \"{word}\"")
            }
            Fault::Twice => write!(f, "require_auth method \"{word}\" is specified more than once"),
            Fault::AmongNegative => {
                write!(f, "require_auth method \"{word}\" cannot be mixed with negative methods")
            }
            Fault::NegativeAmongOthers => write!(
                f,
                "negative require_auth method \"{word}\" cannot be mixed with non-negative methods"
            ),
        }
    }
}

impl fmt::Debug for RequireAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequireAuthError({self})")
    }
}

impl core::error::Error for RequireAuthError {}

#[cfg(test)]
mod tests {
    use super::AuthMethod::{Gss, Md5, None, OAuth, Password, ScramSha256, Sspi};
    use super::*;
    use proptest::prelude::*;

    fn read(list: &str) -> RequireAuth {
        list.parse().unwrap()
    }

    #[test]
    fn words_name_what_is_taken_and_words_with_a_mark_what_is_not() {
        for (list, allowed) in [
            ("", &AuthMethod::ALL[..]),
            ("none", &[None]),
            ("password", &[Password]),
            ("gss,sspi", &[Gss, Sspi]),
            ("scram-sha-256,none", &[None, ScramSha256]),
            ("oauth,md5,password", &[Password, Md5, OAuth]),
            ("!none", &[Password, Md5, Gss, Sspi, ScramSha256, OAuth]),
            ("!gss,!sspi", &[None, Password, Md5, ScramSha256, OAuth]),
            ("!none,!password,!md5,!gss,!sspi,!oauth", &[ScramSha256]),
            ("!none,!password,!md5,!gss,!sspi,!oauth,!scram-sha-256", &[]),
        ] {
            let set = read(list);
            for method in AuthMethod::ALL {
                assert_eq!(set.allows(method), allowed.contains(&method), "{list}: {method}");
            }
        }
    }

    // The sentences of libpq 18, each for the list in front of it.
    #[test]
    fn what_can_not_be_read_is_refused_in_the_words_of_libpq() {
        for (list, sentence) in [
            ("SCRAM-SHA-256", "invalid require_auth value: \"SCRAM-SHA-256\""),
            ("scram", "invalid require_auth value: \"scram\""),
            ("!creds", "invalid require_auth value: \"creds\""),
            ("!", "invalid require_auth value: \"\""),
            ("!!md5", "invalid require_auth value: \"!md5\""),
            (",", "invalid require_auth value: \"\""),
            ("md5,", "invalid require_auth value: \"\""),
            ("md5,,password", "invalid require_auth value: \"\""),
            ("md5, password", "invalid require_auth value: \" password\""),
            ("md5,md5", "require_auth method \"md5\" is specified more than once"),
            ("!none,!md5,!none", "require_auth method \"!none\" is specified more than once"),
            ("none,none", "require_auth method \"none\" is specified more than once"),
            (
                "!md5,password",
                "require_auth method \"password\" cannot be mixed with negative methods",
            ),
            (
                "none,!md5",
                "negative require_auth method \"!md5\" cannot be mixed with non-negative methods",
            ),
            // What stands first is told first.
            (
                "password,!creds",
                "negative require_auth method \"!creds\" cannot be mixed with non-negative methods",
            ),
        ] {
            let error = list.parse::<RequireAuth>().unwrap_err();
            assert_eq!(error.to_string(), sentence, "{list}");
        }
    }

    #[test]
    fn a_set_is_made_of_methods_too() {
        assert_eq!(RequireAuth::only(&[ScramSha256, None]), read("none,scram-sha-256"));
        assert_eq!(RequireAuth::all_but(&[Password]), read("!password"));
        assert_eq!(RequireAuth::default(), read(""));
        assert!(AuthMethod::ALL.into_iter().all(|method| RequireAuth::ANY.allows(method)));
    }

    proptest! {
        /// Any set, written in any order, comes back the same.
        #[test]
        fn what_is_written_is_read_again(
            methods in proptest::sample::subsequence(AuthMethod::ALL.to_vec(), 1..=7).prop_shuffle(),
            negated: bool,
        ) {
            let mark = if negated { "!" } else { "" };
            let words: Vec<_> = methods.iter().map(|method| format!("{mark}{method}")).collect();
            let set = read(&words.join(","));
            prop_assert_eq!(
                set,
                if negated { RequireAuth::all_but(&methods) } else { RequireAuth::only(&methods) }
            );
            prop_assert_eq!(read(&set.to_string()), set);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[!,a-z0-9 -]{0,40}|\\PC{0,20}") {
            if let Ok(set) = text.parse::<RequireAuth>() {
                prop_assert_eq!(read(&set.to_string()), set);
            }
        }
    }
}
