//! Matrix products through `gemm`, for matrices that are used once.

use gemm::Parallelism;

use super::view::{View, ViewMut};

/// `target = factor * a * b`
pub(crate) fn product(target: ViewMut<'_>, a: View<'_>, b: View<'_>, factor: f32, parallelism: Parallelism) {
    // SAFETY: nothing is read from the target.
    unsafe { run(target, a, b, factor, false, parallelism) };
}

/// `target += factor * a * b`
///
/// # Safety
/// The target must have been written before.
pub(crate) unsafe fn add_product(
    target: ViewMut<'_>,
    a: View<'_>,
    b: View<'_>,
    factor: f32,
    parallelism: Parallelism,
) {
    // SAFETY: the caller's promise.
    unsafe { run(target, a, b, factor, true, parallelism) };
}

/// # Safety
/// When it accumulates, the target must have been written before.
unsafe fn run(
    mut target: ViewMut<'_>,
    a: View<'_>,
    b: View<'_>,
    factor: f32,
    accumulate: bool,
    parallelism: Parallelism,
) {
    assert!(
        a.n_cols() == b.n_rows() && target.shape() == [a.n_rows(), b.n_cols()],
        "matrix product of {:?} and {:?} to {:?}",
        a.shape(),
        b.shape(),
        target.shape()
    );
    // SAFETY: the sizes fit together, and views are valid throughout.
    unsafe {
        gemm::gemm(
            a.n_rows(),
            b.n_cols(),
            a.n_cols(),
            target.as_mut_ptr(),
            1,
            target.stride() as isize,
            accumulate,
            a.as_ptr(),
            a.col_stride(),
            a.row_stride(),
            b.as_ptr(),
            b.col_stride(),
            b.row_stride(),
            1.0,
            factor,
            false,
            false,
            false,
            parallelism,
        );
    }
}
