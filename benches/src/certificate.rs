//! A certificate for one run: the server gets it as files, and the generator trusts it and nobody else.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::{ClientConfig, RootCertStore};

/// Where the files are, and who trusts them.
#[derive(Debug)]
pub struct Certificate {
    /// PEM.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
    /// For the generator.
    pub trust: Arc<ClientConfig>,
}

impl Certificate {
    /// Makes a new one for `localhost` and writes its files into this folder.
    pub fn create(folder: &Path) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone())?;
        let trust = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        fs::write(&certificate, made.cert.pem())?;
        fs::write(&key, made.signing_key.serialize_pem())?;
        Ok(Self { certificate, key, trust: Arc::new(trust) })
    }
}
