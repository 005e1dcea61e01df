//! Matrix products through `gemm`, in an order of summation that no other row can change.
//!
//! `gemm` sums each element of a product along k in steps of one, but how it cuts k into pieces, and
//! whether it takes a path of its own for vectors and small matrices, depends on the number of rows.
//! Here k is cut before, always in the same way, and products of few rows are padded with zero rows
//! until they take the common path.

use gemm::Parallelism;

use super::math::dot;
use super::memory::{Shared, View, filled, for_row_chunks};

/// `gemm` never cuts k below this.
const DEPTH: usize = 512;
/// `gemm` multiplies matrices of up to this many elements as scalar products if it can.
const SCALAR_PRODUCTS: usize = 16 * 16;

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

/// `target (+)= a * b` on all threads, with `[m, n]` dense in the target. Each row of the result
/// depends on its row of `a` only, bit for bit.
///
/// # Safety
/// As for [`product`].
pub(crate) unsafe fn product_of_rows(target: *mut f32, a: View, b: View, accumulate: bool) {
    let (m, k, n) = (a.n_rows, a.n_cols, b.n_cols);
    assert_eq!(k, b.n_rows, "matrix product of [{m}, {k}] and [{}, {n}]", b.n_rows);
    if m == 0 || n == 0 {
        return;
    }
    if n == 1 {
        return unsafe { product_with_vector(target, a, b, accumulate) };
    }
    // One row would be a matrix-vector product; few could be scalar products.
    let n_rows = if b.row_stride == 1 { SCALAR_PRODUCTS / n + 1 } else { 2 };
    if m < n_rows {
        unsafe { padded_product(target, a, b, accumulate, n_rows) };
    } else {
        unsafe { deep_product(target, a, b, accumulate) };
    }
}

/// [`product`], with k cut into equal pieces.
unsafe fn deep_product(target: *mut f32, a: View, b: View, accumulate: bool) {
    let (k, n) = (a.n_cols, b.n_cols);
    let depth = k.div_ceil(k.div_ceil(DEPTH).max(1)).max(1);
    let mut start = 0;
    loop {
        let length = depth.min(k - start);
        unsafe {
            let a =
                View { start: a.start.offset(start as isize * a.col_stride), n_cols: length, ..a };
            let b =
                View { start: b.start.offset(start as isize * b.row_stride), n_rows: length, ..b };
            product(target, n, a, b, 1.0, accumulate || start > 0, Parallelism::Rayon(0));
        }
        start += length;
        if start >= k {
            return;
        }
    }
}

unsafe fn padded_product(target: *mut f32, a: View, b: View, accumulate: bool, n_rows: usize) {
    let (m, k, n) = (a.n_rows, a.n_cols, b.n_cols);
    let mut rows = vec![0.0; n_rows * k];
    let mut result = vec![0.0; n_rows * n];
    unsafe {
        for row in 0..m {
            for col in 0..k {
                rows[row * k + col] = *a.row(row).offset(col as isize * a.col_stride);
            }
        }
        if accumulate {
            target.copy_to_nonoverlapping(result.as_mut_ptr(), m * n);
        }
        deep_product(
            result.as_mut_ptr(),
            View::of_rows(rows.as_ptr(), n_rows, k, k),
            b,
            accumulate,
        );
        result.as_ptr().copy_to_nonoverlapping(target, m * n);
    }
}

/// A product with one column: scalar products.
unsafe fn product_with_vector(target: *mut f32, a: View, b: View, accumulate: bool) {
    let (m, k) = (a.n_rows, a.n_cols);
    // SAFETY: both vectors are filled; the rows are valid by the caller's promise.
    unsafe {
        let column = filled(k, |column| {
            for i in 0..k {
                *column.add(i) = *b.row(i);
            }
        });
        let target = Shared(target);
        for_row_chunks(m, k, |first, n| {
            let mut copy = vec![0.0; if a.col_stride == 1 { 0 } else { k }];
            for row in first..first + n {
                let mut values = a.row(row);
                if a.col_stride != 1 {
                    for (i, value) in copy.iter_mut().enumerate() {
                        *value = *values.offset(i as isize * a.col_stride);
                    }
                    values = copy.as_ptr();
                }
                let product = dot(values, column.as_ptr(), k);
                let target = target.get().add(row);
                *target = if accumulate { *target + product } else { product };
            }
        });
    }
}
