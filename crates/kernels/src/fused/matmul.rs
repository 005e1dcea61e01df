//! Matrix products through `gemm`, for matrices that are used once.

use gemm::Parallelism;

use super::memory::View;

/// One call of `gemm`: `target (+)= factor * a * b`; the rows of the target lie `stride` apart.
///
/// # Safety
/// The views must be valid, the target writable and, when accumulating, initialised.
pub(crate) unsafe fn product(
    target: *mut f32,
    stride: usize,
    a: View,
    b: View,
    factor: f32,
    accumulate: bool,
    parallelism: Parallelism,
) {
    debug_assert_eq!(a.n_cols, b.n_rows);
    unsafe {
        gemm::gemm(
            a.n_rows,
            b.n_cols,
            a.n_cols,
            target,
            1,
            stride as isize,
            accumulate,
            a.start,
            a.col_stride,
            a.row_stride,
            b.start,
            b.col_stride,
            b.row_stride,
            1.0,
            factor,
            false,
            false,
            false,
            parallelism,
        );
    }
}
