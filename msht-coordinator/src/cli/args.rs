//! The commands and their arguments.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use msht_core::crypto::Fingerprint;
use msht_host::KeySource;

use super::duration::Seconds;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failure, 2 usage, 3 configuration, 4 invalid data, 5 not approved, \
                          6 network, 7 budget exhausted.\n\n\
                          Data goes to stdout, messages go to stderr.";

/// Collects masked contributions of partners, and publishes and shows their noisy sum.
#[derive(Debug, Parser)]
#[command(name = "msht-coordinator", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(super) struct Arguments {
    /// Directory with the coordinator's database and key.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "msht-coordinator-data"
    )]
    pub(super) data: PathBuf,
    /// Key file, if not coordinator.key in the data directory.
    #[arg(long, global = true, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Name of the systemd credential that is the key.
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "key_file")]
    key_credential: Option<String>,
    #[command(subcommand)]
    pub(super) command: Command,
}

impl Arguments {
    /// Where the key is, if the command line says so.
    pub(super) fn key(&self) -> Option<KeySource> {
        let credential = self.key_credential.clone().map(KeySource::Credential);
        credential.or_else(|| self.key_file.clone().map(KeySource::File))
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Makes a coordinator: data directory, key file and identity.
    #[command(
        after_help = "Example:\n  msht-coordinator init --address msht.example.org:7843 --title 'Pan-London picture'"
    )]
    Init(Init),
    /// Makes another replica of a coordinator whose database is in PostgreSQL; copy its key file into the directory first.
    #[command(
        after_help = "Example:\n  msht-coordinator --data replica-2 join --database postgres://msht@localhost/msht"
    )]
    Join(Join),
    /// Makes an invite for a partner; the only line on stdout is the text to send them.
    #[command(
        after_help = "Example:\n  msht-coordinator invite camden --name 'Camden Council' --kind local-authority"
    )]
    Invite(Invite),
    /// Lists the invites that were made, or withdraws the unused one of a partner.
    #[command(
        after_help = "Examples:\n  msht-coordinator invites\n  msht-coordinator invites --withdraw camden"
    )]
    Invites {
        /// Id of the partner whose unused invite stops being good.
        #[arg(long, value_name = "ID", conflicts_with = "json")]
        withdraw: Option<String>,
        #[command(flatten)]
        format: Format,
    },
    /// Lists whom to remind, of what, by when: unused invites, and messages of open rounds.
    #[command(after_help = "Example:\n  msht-coordinator reminders --json")]
    Reminders(Format),
    /// Lists the enrolled partners with the fingerprints to compare over the telephone.
    #[command(after_help = "Example:\n  msht-coordinator roster --json")]
    Roster(Format),
    /// Takes a partner whose key is lost or stolen off the roster; a new invite lets it come back with another key.
    #[command(
        after_help = "Example:\n  msht-coordinator revoke camden --reason 'laptop stolen on 3 May'"
    )]
    Revoke(Revoke),
    /// Hands the coordinator over to a fresh key, signed by both; prints the new fingerprint.
    #[command(after_help = "Example:\n  msht-coordinator rotate-key")]
    RotateKey,
    /// Lists the changes of the coordinator's key; what it prints with --json is what `verify --handovers` reads.
    #[command(after_help = "Example:\n  msht-coordinator handovers --json > handovers.json")]
    Handovers(Format),
    /// Publishes and lists programmes.
    #[command(subcommand)]
    Programme(ProgrammeCommand),
    /// Keeps exact counts that others publish, to show beside the programmes' numbers.
    #[command(subcommand)]
    Baseline(BaselineCommand),
    /// Opens, watches and closes rounds.
    #[command(subcommand)]
    Round(RoundCommand),
    /// Serves nodes, and readers of the dashboard, until it is interrupted.
    #[command(
        after_help = "Example:\n  msht-coordinator serve --listen 0.0.0.0:7843 --site 127.0.0.1:8080"
    )]
    Serve(Serve),
    /// Writes a copy of the database, also while the coordinator serves; without its key file.
    #[command(
        after_help = "Example:\n  msht-coordinator backup /mnt/other/store-2026-10-01.sqlite"
    )]
    Backup {
        /// The file to write; it must not exist.
        file: PathBuf,
    },
    /// Puts a copy in the place of the database; nothing may serve meanwhile.
    #[command(
        after_help = "Example:\n  msht-coordinator restore /mnt/other/store-2026-10-01.sqlite --replace"
    )]
    Restore {
        /// A file that `backup` wrote.
        file: PathBuf,
        /// Puts it in the place of the database that is there, which is kept under another name.
        #[arg(long)]
        replace: bool,
    },
    /// Verifies a release file, offline and without a data directory.
    #[command(
        after_help = "Example:\n  msht-coordinator verify release.json --coordinator 1a2b-3c4d-5e6f-7081-92a3-b4c5-d6e7-f809"
    )]
    Verify(Verify),
    /// Prints the completions of a shell, to be installed where that shell looks for them.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Writes the man pages of every command to a folder.
    Man {
        /// The folder; it must exist.
        folder: PathBuf,
    },
    /// Verifies a file of evidence, offline and without a data directory.
    #[command(
        after_help = "Example:\n  msht-coordinator verify-evidence camden.evidence --accused 1a2b-3c4d-5e6f-7081-92a3-b4c5-d6e7-f809"
    )]
    VerifyEvidence(VerifyEvidence),
}

/// How to write what is read.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Format {
    /// Writes JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// Address that nodes connect to; it stands in every invite.
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) address: String,
    /// Name people read.
    #[arg(long, default_value = "Modern slavery counts")]
    pub(super) title: String,
    /// PostgreSQL database to keep everything in instead of a file; it must exist and be empty.
    #[arg(long, value_name = "URL")]
    pub(super) database: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Join {
    /// The PostgreSQL database that `init` was given.
    #[arg(long, value_name = "URL")]
    pub(super) database: String,
}

#[derive(Debug, Args)]
pub(super) struct Invite {
    /// Id of the partner: lower-case letters, digits and hyphens.
    pub(super) partner: String,
    /// Name people read.
    #[arg(long)]
    pub(super) name: String,
    /// police, local-authority, ngo, health, government-agency, company, bank or other.
    #[arg(long)]
    pub(super) kind: String,
    /// Days the invite is good for.
    #[arg(long, value_name = "DAYS", default_value_t = 14, value_parser = clap::value_parser!(u16).range(1..=366))]
    pub(super) valid_days: u16,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// Id of the partner.
    pub(super) partner: String,
    /// What happened; kept, and shown to nobody else.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum ProgrammeCommand {
    /// Publishes a programme file, or one that ships with the program by its id.
    #[command(
        after_help = "Examples:\n  msht-coordinator programme publish pan-london\n  msht-coordinator programme publish ./my-programme.toml"
    )]
    Publish {
        /// File, or id of a shipped programme.
        programme: String,
    },
    /// Checks a programme and says how exact its tables will be, before anybody commits to it.
    #[command(
        after_help = "Examples:\n  msht-coordinator programme check pan-london --partners 22\n  msht-coordinator programme check ./my-programme.toml --json"
    )]
    Check(ProgrammeCheck),
    /// Lists the published programmes.
    List(Format),
}

#[derive(Debug, Args)]
pub(super) struct ProgrammeCheck {
    /// File, or id of a shipped programme.
    pub(super) programme: String,
    /// Partners invited; the fewest the programme allows unless given.
    #[arg(long, value_name = "N")]
    pub(super) partners: Option<u16>,
    #[command(flatten)]
    pub(super) format: Format,
}

#[derive(Debug, Subcommand)]
pub(super) enum BaselineCommand {
    /// Imports published counts from a CSV file with the columns period, dimension, category and count.
    #[command(
        after_help = "Example:\n  msht-coordinator baseline import nrm-2026.csv --programme pan-london \\\n    \
                            --title 'NRM referrals' --source 'Home Office, NRM statistics, 2026 Q3' --licence 'Open Government Licence v3.0'"
    )]
    Import(BaselineImport),
    /// Lists the kept baselines.
    List(Format),
    /// Forgets a baseline.
    Remove {
        /// Its title.
        title: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct BaselineImport {
    /// The file; dimensions and categories are those of the programme, both empty for the total.
    pub(super) file: PathBuf,
    /// Id of the published programme whose numbers they are set beside.
    #[arg(long, value_name = "ID")]
    pub(super) programme: String,
    /// Title people read.
    #[arg(long)]
    pub(super) title: String,
    /// Who published the counts, and where.
    #[arg(long)]
    pub(super) source: String,
    /// The licence they are shown under.
    #[arg(long)]
    pub(super) licence: String,
    /// Puts it in the place of the baseline that has this title.
    #[arg(long)]
    pub(super) replace: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum RoundCommand {
    /// Opens a round; prints its id.
    #[command(
        after_help = "Examples:\n  msht-coordinator round open pan-london 2026-Q3\n  \
                            msht-coordinator round open msin 2026-Q3 --phases 30s,20s,20s,20s,20s"
    )]
    Open(Open),
    /// Shows the round that `open` would open: who, until when, how exact each table can become. Stores nothing.
    #[command(after_help = "Example:\n  msht-coordinator round plan pan-london 2026-Q3")]
    Plan {
        #[command(flatten)]
        open: Open,
        #[command(flatten)]
        format: Format,
    },
    /// Shows where rounds stand: who is in, who is awaited, by when.
    #[command(after_help = "Example:\n  msht-coordinator round status 3fa4 --json")]
    Status {
        /// The first digits of a round; all rounds where none.
        round: Option<String>,
        #[command(flatten)]
        format: Format,
    },
    /// Closes the open phase of a round now, as if its deadline had come.
    #[command(after_help = "Example:\n  msht-coordinator round close 3fa4 --abort")]
    Close {
        /// The first digits of the round.
        round: String,
        /// Gives the round up instead.
        #[arg(long)]
        abort: bool,
    },
    /// Lists what partners are proven to have done in a round, or writes one proof to a file.
    #[command(after_help = "Examples:\n  msht-coordinator round evidence 3fa4\n  \
                            msht-coordinator round evidence 3fa4 --number 1 --out camden.evidence")]
    Evidence(RoundEvidence),
}

#[derive(Debug, Args)]
pub(super) struct RoundEvidence {
    /// The first digits of the round.
    pub(super) round: String,
    /// File to write one proof to; it must not exist yet.
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Which one of the list; not needed where there is one.
    #[arg(long, value_name = "NUMBER", requires = "out")]
    pub(super) number: Option<usize>,
    #[command(flatten)]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct VerifyEvidence {
    /// The file of evidence.
    pub(super) file: PathBuf,
    /// Fingerprint of whoever is accused, from a roster or a telephone call.
    #[arg(long, value_name = "FINGERPRINT")]
    pub(super) accused: Option<Fingerprint>,
}

#[derive(Debug, Args)]
pub(super) struct Open {
    /// Id of the programme.
    pub(super) programme: String,
    /// The period to count, such as 2026-Q3.
    pub(super) period: String,
    /// Ids of the partners to invite; everybody enrolled where none.
    #[arg(long, value_name = "ID,ID,…", value_delimiter = ',')]
    pub(super) invite: Option<Vec<String>>,
    /// Lengths of all five phases: join, share, mask, confirm, unmask.
    #[arg(long, value_name = "LENGTHS", value_delimiter = ',', num_args = 1, conflicts_with_all = ["join", "share", "mask", "confirm", "unmask"])]
    pub(super) phases: Option<Vec<Seconds>>,
    /// Length of Join, such as 30s, 10m, 2h or 3d; the programme's hours where none.
    #[arg(long, value_name = "LENGTH")]
    pub(super) join: Option<Seconds>,
    /// Length of Share.
    #[arg(long, value_name = "LENGTH")]
    pub(super) share: Option<Seconds>,
    /// Length of Mask.
    #[arg(long, value_name = "LENGTH")]
    pub(super) mask: Option<Seconds>,
    /// Length of Confirm.
    #[arg(long, value_name = "LENGTH")]
    pub(super) confirm: Option<Seconds>,
    /// Length of Unmask.
    #[arg(long, value_name = "LENGTH")]
    pub(super) unmask: Option<Seconds>,
}

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Address for nodes.
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:7843")]
    pub(super) listen: SocketAddr,
    /// Address for the dashboard; none where it is not given.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(super) site: Option<SocketAddr>,
    /// Certificate of the site and those that lead to a root, as PEM; plain HTTP where none, for a proxy in front.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(super) tls_certificate: Option<PathBuf>,
    /// Private key of that certificate, as PEM. Both files are read again when they change.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(super) tls_key: Option<PathBuf>,
    /// Address for the operator's page and metrics, which want the token in operator.token; without a certificate a
    /// loopback address.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(super) operator: Option<SocketAddr>,
    /// File to write once everything is listened on: a line each for nodes, site and operator, of those that are served.
    #[arg(long, value_name = "FILE")]
    pub(super) ready_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The release file.
    pub(super) file: PathBuf,
    /// Fingerprint or key of the coordinator, from an invite, a website or a telephone call.
    #[arg(long, value_name = "FINGERPRINT")]
    pub(super) coordinator: Option<String>,
    /// Changes of the coordinator's key, as `handovers --json` prints them: with them the fingerprint of an earlier or a
    /// later key will do.
    #[arg(long, value_name = "FILE")]
    pub(super) handovers: Option<PathBuf>,
    /// The programme's release before this one.
    #[arg(long, value_name = "FILE")]
    pub(super) previous: Option<PathBuf>,
    /// The programme file the release says it follows.
    #[arg(long, value_name = "FILE")]
    pub(super) programme: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_hold_together() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn five_lengths_may_stand_in_one_argument() {
        let line = "msht-coordinator round open msin 2026-Q3 --phases 30s,2m,3h,1d,5s --invite a,b";
        let parsed = Arguments::try_parse_from(line.split(' ')).unwrap();
        let Command::Round(RoundCommand::Open(open)) = parsed.command else {
            panic!("not a round to open");
        };
        let lengths: Vec<u32> = open.phases.unwrap().iter().map(|each| each.0).collect();
        assert_eq!(lengths, [30, 120, 10_800, 86_400, 5]);
        assert_eq!(open.invite.unwrap(), ["a", "b"]);
        assert!(Arguments::try_parse_from(format!("{line} --join 3s").split(' ')).is_err());
    }
}
