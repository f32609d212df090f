//! The configuration, made what the node takes.

use crate::config::{Config, GatewayConfig};
use anyhow::{Context, Result};
use media::ports::PortOptions;
use media::prompt::{FolderLimits, Prompts};
use media::pump::PumpOptions;
use node::Gateway;
use node::NodeOptions;
use routing::GatewayOptions;
use sip::port::Credentials;
use std::sync::Arc;
use std::time::Duration;

/// What the node is to be.
///
/// # Errors
/// A secret or a folder cannot be read.
pub fn node_options(config: &Config, prompts: Prompts) -> Result<NodeOptions> {
    let ports = PortOptions { ip: config.media.bind, ..PortOptions::default() };
    if let Some(folder) = &config.media.recordings {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("recordings cannot be written to {}", folder.display()))?;
    }
    Ok(NodeOptions {
        name: config.node.name.clone(),
        data: config.node.data.clone(),
        key_file: Some(config.privacy.key_file.clone()),
        callee_key_file: Some(config.privacy.callee_key_file.clone()),
        sip_bind: config.sip.bind,
        gateways: config.gateways.iter().map(gateway).collect::<Result<_>>()?,
        media: PumpOptions { ports, ..PumpOptions::default() },
        prompts,
        recordings: config.media.recordings.clone(),
        calls_max: config.node.calls_max,
        ring_timeout_ms: config.defaults.ring_timeout_ms,
        max_talk_ms: config.defaults.max_talk_ms,
        call: Arc::default(),
    })
}

/// The prompts of the folder, as many as can be read. A folder that is not there holds none.
pub fn prompts(config: &Config) -> Prompts {
    let prompts = Prompts::new();
    if config.media.prompts.exists() {
        for fault in prompts.load_folder(&config.media.prompts, FolderLimits::default()) {
            tracing::warn!("{fault}");
        }
    }
    prompts
}

fn gateway(config: &GatewayConfig) -> Result<Gateway> {
    let span = |ms: u32| Duration::from_millis(ms.into());
    let credentials = match &config.credentials {
        None => None,
        Some((username, file)) => {
            let password = file.read().with_context(|| format!("gateway {}", config.name))?;
            Some(Credentials { username: username.clone(), password: password.reveal().to_owned() })
        }
    };
    Ok(Gateway {
        options: GatewayOptions {
            name: config.name.clone(),
            max_concurrent: config.max_concurrent.unwrap_or(u32::MAX),
            calls_per_second: config.calls_per_second,
        },
        sip: sip::port::GatewayConfig {
            host: config.uri.host.clone(),
            port: config.uri.port,
            transport: config.uri.transport,
            credentials,
            register: config.register,
            options_every: config.probe_every_ms.map(span),
            answer_within: config.first_answer_ms.map(span),
            trusted: config.trusted,
            follow_redirects: config.follow_redirects,
            session_expires: config.session_expires_ms.map(span),
        },
    })
}
