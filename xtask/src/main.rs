//! Set-up and orchestration: `cargo xtask facts`.
mod facts;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("facts") => {
            let from = args.next().ok_or_else(|| anyhow::anyhow!("usage: cargo xtask facts EXTRACT.json"))?;
            facts::derive(from.as_ref(), facts::FACTS.as_ref())
        }
        _ => anyhow::bail!("usage: cargo xtask facts EXTRACT.json"),
    }
}
