//! A source with very many columns, of which a model wants three.

/// Columns beside `shop`, `x` and `y`.
pub const COLUMNS: usize = 1_000_000;

/// CSV with shops `a` and `b`, each with six rows of y = 3x + 1.
pub fn csv() -> String {
    let names: String = (0..COLUMNS).map(|column| format!(",c{column}")).collect();
    let more = ",1".repeat(COLUMNS);
    let row = |i: usize| format!("{},{i},{}{more}\n", ["a", "b"][i % 2], 3 * i + 1);
    format!("shop,x,y{names}\n") + &(0..12).map(row).collect::<String>()
}

/// A model called `wide` of such a source.
pub fn spec(source: &std::path::Path) -> String {
    format!(
        "name = \"wide\"\n[data]\nsource = \"{}\"\n[scope]\ndimensions = [\"shop\"]\n[learn]\ntarget = \"y\"\nfeatures = [\"x\"]\nalgorithm = \"linear\"\nmin_rows = 5\n",
        source.display()
    )
}
