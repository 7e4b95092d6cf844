//! `node.toml`: where records are, what may be spent, what is agreed to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use msht_core::dp::accountant::Caps;
use msht_core::rational::Rational;
use msht_core::secagg::LocalPolicy;
use msht_host::{KeyFile, KeySource};
use serde::Deserialize;

use crate::error::{Kind, NodeError};

/// Name of the settings file in a node's home folder.
pub const CONFIG_FILE: &str = "node.toml";
/// Longest settings file, in bytes.
pub const MAX_CONFIG_BYTES: u64 = 1024 * 1024;

/// What `enrol` writes where there are no settings yet.
pub const CONFIG_TEMPLATE: &str = include_str!("../assets/node.toml");

/// The settings of a node.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the vault and its key are.
    #[serde(default)]
    pub vault: VaultConfig,
    /// Most privacy loss, over all programmes.
    pub budget: BudgetConfig,
    /// Rounds that are refused whatever anybody approves.
    #[serde(default)]
    pub policy: PolicyConfig,
    /// When messages leave.
    #[serde(default)]
    pub sending: SendingConfig,
    /// Programmes this partner takes part in.
    #[serde(default)]
    pub programme: Vec<ProgrammeConfig>,
}

/// Where the vault and its key are, relative to the settings file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VaultConfig {
    /// The database.
    pub path: PathBuf,
    /// The key that seals its secrets.
    pub key_file: PathBuf,
    /// What the vault is compared with, to notice that it was restored; better on another volume.
    pub anchor: PathBuf,
    /// Name of the systemd credential that is the key; comes before `key_file`.
    pub key_credential: Option<String>,
}

/// The variable that may name the key file; comes before both settings.
pub const KEY_FILE_VARIABLE: &str = "MSHT_NODE_KEY_FILE";

impl VaultConfig {
    /// Where the key is: the variable names a file, or a credential is set, or the file.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub fn key(&self) -> Result<KeyFile, NodeError> {
        let source = match &self.key_credential {
            Some(name) => KeySource::Credential(name.clone()),
            None => KeySource::File(self.key_file.clone()),
        };
        Ok(source.locate(KEY_FILE_VARIABLE, |name| std::env::var_os(name))?)
    }
}

impl Default for VaultConfig {
    fn default() -> Self {
        Self {
            path: "vault.sqlite".into(),
            key_file: "vault.key".into(),
            anchor: "vault.anchor".into(),
            key_credential: None,
        }
    }
}

/// Caps on the sum of ε over every programme.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetConfig {
    /// For any day of data.
    pub epsilon_per_period: Rational,
    /// For any calendar year of data.
    pub epsilon_per_year: Rational,
}

/// Least numbers of a round.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// Fewest partners invited.
    pub least_partners: u8,
    /// Fewest colluders tolerated.
    pub least_colluders: u8,
    /// Fewest honest survivors.
    pub least_honest: u8,
    /// Largest ε of one round.
    pub most_epsilon: Rational,
    /// Whose keys are accepted without asking a person here.
    pub accept_new_partners: AcceptNewPartners,
    /// Whether another key of a known partner is accepted without asking a person here.
    pub accept_key_changes: AcceptKeyChanges,
    /// Whether partners may leave without asking a person here.
    pub accept_smaller_cohorts: AcceptSmallerCohorts,
}

/// Whose keys are accepted without asking a person here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcceptNewPartners {
    /// Nobody's.
    Never,
    /// Those that as many partners accepted here vouch for as the programme asks for, where it asks at all.
    Endorsed,
}

/// Whether another key of a known partner is accepted without asking a person here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcceptKeyChanges {
    /// Never.
    Never,
    /// Where the key accepted here signed for it.
    SignedByOldKey,
}

/// Whether partners may leave without asking a person here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcceptSmallerCohorts {
    /// Never.
    Never,
    /// While the round is within the least numbers of this policy.
    WithinLimits,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            least_partners: 3,
            least_colluders: 1,
            least_honest: 2,
            most_epsilon: Rational::from_integer(2),
            accept_new_partners: AcceptNewPartners::Never,
            accept_key_changes: AcceptKeyChanges::Never,
            accept_smaller_cohorts: AcceptSmallerCohorts::Never,
        }
    }
}

/// When messages leave that follow on drawing noise or counting.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SendingConfig {
    /// Time between ticks; longer than counting takes.
    pub interval_ms: SendInterval,
}

/// Milliseconds between ticks, 1 to [`MAX_SEND_INTERVAL_MS`].
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u32")]
pub struct SendInterval(u32);

impl TryFrom<u32> for SendInterval {
    type Error = String;

    fn try_from(milliseconds: u32) -> Result<Self, String> {
        if (1..=MAX_SEND_INTERVAL_MS).contains(&milliseconds) {
            return Ok(Self(milliseconds));
        }
        Err(format!("interval_ms must be 1 to {MAX_SEND_INTERVAL_MS}"))
    }
}

/// Longest interval between ticks: a join waits two of them, and the shortest sensible phase has minutes.
pub const MAX_SEND_INTERVAL_MS: u32 = 60_000;

impl Default for SendingConfig {
    fn default() -> Self {
        Self {
            interval_ms: SendInterval(1_000),
        }
    }
}

/// Where the records of one programme come from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgrammeConfig {
    /// Id of the programme.
    pub id: String,
    /// The mapping file, relative to the settings file.
    pub mapping: PathBuf,
    /// The records.
    pub source: crate::source::SourceConfig,
}

impl Config {
    /// Reads the settings in the folder `home`.
    ///
    /// # Errors
    /// [`Kind::Configuration`], with line and column where the text is at fault.
    pub fn read(home: &Path) -> Result<Self, NodeError> {
        let path = home.join(CONFIG_FILE);
        let metadata = std::fs::metadata(&path).map_err(|error| {
            let failure = NodeError::file(&path, "read", &error);
            match error.kind() {
                std::io::ErrorKind::NotFound => failure.hint(
                    "run `msht-node --home FOLDER enrol INVITE` first, or give the folder with --home",
                ),
                _ => failure,
            }
        })?;
        if metadata.len() > MAX_CONFIG_BYTES {
            let message = format!("{} is larger than {MAX_CONFIG_BYTES} bytes", path.display());
            return Err(NodeError::new(Kind::Configuration, message));
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|error| NodeError::file(&path, "read", &error))?;
        Self::parse(&text)
            .map(|config| config.resolved(home))
            .map_err(|error| {
                let message = format!("{} is not right: {error}", path.display());
                NodeError::new(Kind::Configuration, message.trim_end())
                    .hint("every key is explained in docs/node.md")
            })
    }

    /// Parses settings; paths stay as they are written.
    ///
    /// # Errors
    /// The TOML error, with line and column.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    fn resolved(mut self, home: &Path) -> Self {
        self.vault.path = home.join(&self.vault.path);
        self.vault.key_file = home.join(&self.vault.key_file);
        self.vault.anchor = home.join(&self.vault.anchor);
        for programme in &mut self.programme {
            programme.mapping = home.join(&programme.mapping);
            programme.source = programme.source.clone().relative_to(home);
        }
        self
    }

    /// Time between two ticks at which messages leave; never zero.
    #[must_use]
    pub fn send_interval(&self) -> Duration {
        Duration::from_millis(u64::from(self.sending.interval_ms.0))
    }

    /// The caps as the accountant takes them.
    #[must_use]
    pub fn caps(&self) -> Caps {
        Caps {
            per_period: self.budget.epsilon_per_period.clone(),
            per_year: self.budget.epsilon_per_year.clone(),
        }
    }

    /// The policy as the core takes it.
    #[must_use]
    pub fn policy(&self) -> LocalPolicy {
        LocalPolicy {
            least_invited: self.policy.least_partners,
            least_colluders: self.policy.least_colluders,
            least_honest: self.policy.least_honest,
            most_epsilon: self.policy.most_epsilon.clone(),
        }
    }

    /// The settings of the programme with this id.
    ///
    /// # Errors
    /// [`Kind::Configuration`], saying what to add.
    pub fn programme(&self, id: &str) -> Result<&ProgrammeConfig, NodeError> {
        self.programme
            .iter()
            .find(|programme| programme.id == id)
            .ok_or_else(|| {
                let message = format!("{CONFIG_FILE} has no [[programme]] with id \"{id}\"");
                NodeError::new(Kind::Configuration, message)
                    .hint("add it with its source and mapping; docs/node.md shows how")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_valid() {
        let config = Config::parse(CONFIG_TEMPLATE).unwrap();
        assert_eq!(config.policy.least_partners, 3);
    }

    #[test]
    fn an_unknown_key_or_a_missing_budget_is_refused_with_its_place() {
        let error = Config::parse("[budget]\nepsilon_per_perod = 1\n").unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
        assert!(Config::parse("").is_err());
    }

    #[test]
    fn no_policy_accepts_a_key_that_nobody_saw() {
        let with = |line: &str| {
            Config::parse(&CONFIG_TEMPLATE.replacen("[policy]", &format!("[policy]\n{line}"), 1))
        };
        for line in [
            "accept_new_partners = \"endorsed\"",
            "accept_key_changes = \"signed-by-old-key\"",
            "accept_smaller_cohorts = \"within-limits\"",
        ] {
            assert!(with(line).is_ok(), "{line}");
        }
        for line in [
            "accept_new_partners = \"always\"",
            "accept_new_partners = true",
            "accept_key_changes = \"always\"",
        ] {
            assert!(with(line).is_err(), "{line}");
        }
    }

    #[test]
    fn messages_are_never_sent_without_a_clock() {
        let template = Config::parse(CONFIG_TEMPLATE).unwrap();
        assert_eq!(template.send_interval(), Duration::from_secs(1));
        for (interval, good) in [("1", true), ("60000", true), ("0", false), ("60001", false)] {
            let text = CONFIG_TEMPLATE.replace("= 1000", &format!("= {interval}"));
            assert_eq!(Config::parse(&text).is_ok(), good, "{interval}");
        }
    }
}
