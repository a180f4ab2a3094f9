//! Loops over contiguous numbers, written so that the compiler vectorises them.

/// Independent partial sums: floating-point addition is not associative, so one running sum would stay scalar.
const LANES: usize = 8;

/// Σ aᵢbᵢ over the common length.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let common = a.len().min(b.len());
    let (a, b) = (&a[..common], &b[..common]);
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    let mut lanes = [0.0; LANES];
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// Σ aᵢ.
pub(crate) fn sum(a: &[f64]) -> f64 {
    let chunks = a.chunks_exact(LANES);
    let rest: f64 = chunks.remainder().iter().sum();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] += chunk[lane];
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// y ← y + factor · x.
pub(crate) fn add_scaled(y: &mut [f64], factor: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += factor * x;
    }
}
