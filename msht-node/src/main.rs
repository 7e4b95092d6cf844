//! The `msht-node` program.

fn main() -> std::process::ExitCode {
    msht_node::cli::main()
}
