pub(crate) async fn run(_: crate::Mode) -> anyhow::Result<crate::Ran> {
    anyhow::bail!("not yet")
}
