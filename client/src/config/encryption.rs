//! What the words say of encryption.

use stellata_protocol::auth::ChannelBindingPolicy;

use crate::config::environment::Environment;
use crate::config::invalid;
use crate::config::words::Words;
use crate::error::Result;
use crate::tls::{Pem, SslMode, SslNegotiation, TlsSettings, TlsVersion};

/// What is asked of TLS.
pub(super) fn tls(words: &Words, environment: &impl Environment) -> Result<TlsSettings> {
    let (oldest, newest) = versions(words)?;
    let mut tls = files(words, TlsSettings::new(mode(words)?)).with_versions(oldest, newest);
    if let Some(home) = environment.home() {
        let folder = if cfg!(windows) { "postgresql" } else { ".postgresql" };
        tls = tls.with_folder(home.join(folder));
    }
    if let Some(word) = words.get("sslnegotiation") {
        let negotiation = word.parse()?;
        let mode = tls.mode();
        if negotiation == SslNegotiation::Direct && !mode.requires_tls() {
            let message = format!("sslnegotiation=direct needs sslmode=require, not {mode}");
            return Err(invalid(message));
        }
        tls = tls.with_negotiation(negotiation);
    }
    if let Some(word) = words.get("sslcertmode") {
        tls = tls.with_client_certificate_mode(word.parse()?);
    }
    if let Some(word) = words.get("sslsni") {
        tls = tls.with_sni(word.starts_with('1'));
    }
    if words.filled("sslkeylogfile").is_some() {
        return Err(invalid("sslkeylogfile: keys of TLS are not written to files"));
    }
    tls = match words.get("channel_binding") {
        None => tls,
        Some("disable") => tls.with_channel_binding(ChannelBindingPolicy::Disable),
        Some("prefer") => tls.with_channel_binding(ChannelBindingPolicy::Prefer),
        Some("require") => tls.with_channel_binding(ChannelBindingPolicy::Require),
        Some(word) => {
            return Err(invalid(format!(
                "channel_binding is one of disable prefer require; not `{word}`"
            )));
        }
    };
    Ok(tls)
}

/// The mode. Where the system's roots are trusted, anything weaker than `verify-full` would take anybody's certificate.
fn mode(words: &Words) -> Result<SslMode> {
    let system = words.get("sslrootcert") == Some("system");
    match words.get("sslmode") {
        None if system => Ok(SslMode::VerifyFull),
        None => Ok(SslMode::default()),
        Some(word) => match word.parse()? {
            mode if system && mode != SslMode::VerifyFull => Err(invalid(format!(
                "sslrootcert=system needs sslmode=verify-full: with {mode} anybody's certificate would do"
            ))),
            mode => Ok(mode),
        },
    }
}

fn files(words: &Words, mut tls: TlsSettings) -> TlsSettings {
    match words.filled("sslrootcert") {
        Some("system") => tls = tls.with_system_roots(),
        Some(file) => tls = tls.with_roots(Pem::file(file)),
        None => {}
    }
    if let Some(file) = words.filled("sslcert") {
        tls = tls.with_client_certificate(Pem::file(file));
    }
    if let Some(file) = words.filled("sslkey") {
        tls = tls.with_client_key(Pem::file(file));
    }
    if let Some(file) = words.filled("sslcrl") {
        tls = tls.with_crl(Pem::file(file));
    }
    if let Some(folder) = words.filled("sslcrldir") {
        tls = tls.with_crl_folder(folder);
    }
    tls
}

fn versions(words: &Words) -> Result<(TlsVersion, TlsVersion)> {
    let is_old = |word: &str| ["TLSv1", "TLSv1.1"].iter().any(|old| old.eq_ignore_ascii_case(word));
    let oldest = match words.filled("ssl_min_protocol_version") {
        // Older versions are not spoken, so that allowing them changes nothing.
        Some(word) if is_old(word) => TlsVersion::Tls12,
        Some(word) => word.parse()?,
        None => TlsVersion::Tls12,
    };
    let newest = match words.filled("ssl_max_protocol_version") {
        Some(word) => word.parse()?,
        None => TlsVersion::Tls13,
    };
    if oldest > newest {
        return Err(invalid("ssl_min_protocol_version is newer than ssl_max_protocol_version"));
    }
    Ok((oldest, newest))
}
