//! Linear layers on packed rows, with what follows them.

use burn_flex::FlexTensor;
use gemm::Parallelism;

use super::math::{each_vector, gelu, gelu_derivative};
use super::matmul::product;
use super::memory::{Shared, View, contiguous, dense_rows, filled, for_row_chunks, sum_over_rows, tensor, values};
use super::panels::{Finish, Matrix, multiply, with_packed};
use super::simd::{Vector, multiversion};

/// Which gradients somebody wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinearWants {
    pub x: bool,
    pub weight: bool,
    pub bias: bool,
}

#[allow(clippy::too_many_arguments)] // a kernel's operands
#[inline(always)]
unsafe fn sum_rows_body<V: Vector>(
    a: *const f32,
    a_stride: usize,
    b: *const f32,
    b_stride: usize,
    target: *mut f32,
    target_stride: usize,
    n_rows: usize,
    n: usize,
) {
    unsafe {
        for row in 0..n_rows {
            let (a, b) = (a.add(row * a_stride), b.add(row * b_stride));
            let target = target.add(row * target_stride);
            each_vector!(V, n,
            i => { V::load(a.add(i)).add(V::load(b.add(i))).store(target.add(i)) },
            rest => {
                let sum = V::load_first(a.add(i), rest).add(V::load_first(b.add(i), rest));
                sum.store_first(target.add(i), rest);
            });
        }
    }
}
multiversion! {
    /// Row by row `target = a + b`; a stride of zero repeats (or, in the target, sums) a row.
    fn sum_rows(
        a: *const f32,
        a_stride: usize,
        b: *const f32,
        b_stride: usize,
        target: *mut f32,
        target_stride: usize,
        n_rows: usize,
        n: usize,
    ) = sum_rows_body;
}

#[inline(always)]
unsafe fn gelu_rows_body<V: Vector>(
    source: *const f32,
    bias: *const f32,
    target: *mut f32,
    n_rows: usize,
    n: usize,
) {
    unsafe {
        for row in 0..n_rows {
            let (source, target) = (source.add(row * n), target.add(row * n));
            each_vector!(V, n,
            i => {
                let x = V::load(source.add(i)).add(V::load(bias.add(i)));
                gelu(x).store(target.add(i));
            },
            rest => {
                let x = V::load_first(source.add(i), rest);
                gelu(x.add(V::load_first(bias.add(i), rest))).store_first(target.add(i), rest);
            });
        }
    }
}
multiversion! {
    /// `target = gelu(source + bias)`
    fn gelu_rows(
        source: *const f32,
        bias: *const f32,
        target: *mut f32,
        n_rows: usize,
        n: usize,
    ) = gelu_rows_body;
}

#[inline(always)]
unsafe fn gelu_backward_rows_body<V: Vector>(
    source: *const f32,
    bias: *const f32,
    gradient: *const f32,
    target: *mut f32,
    n_rows: usize,
    n: usize,
) {
    unsafe {
        for row in 0..n_rows {
            let (source, target) = (source.add(row * n), target.add(row * n));
            let gradient = gradient.add(row * n);
            each_vector!(V, n,
            i => {
                let x = V::load(source.add(i)).add(V::load(bias.add(i)));
                gelu_derivative(x).mul(V::load(gradient.add(i))).store(target.add(i));
            },
            rest => {
                let x = V::load_first(source.add(i), rest);
                let slope = gelu_derivative(x.add(V::load_first(bias.add(i), rest)));
                let gradient = V::load_first(gradient.add(i), rest);
                slope.mul(gradient).store_first(target.add(i), rest);
            });
        }
    }
}
multiversion! {
    /// `target = gradient * gelu'(source + bias)`
    fn gelu_backward_rows(
        source: *const f32,
        bias: *const f32,
        gradient: *const f32,
        target: *mut f32,
        n_rows: usize,
        n: usize,
    ) = gelu_backward_rows_body;
}

/// The bias, or zeros.
fn bias_or_zeros(bias: Option<FlexTensor>, n: usize) -> Vec<f32> {
    let bias = bias.map_or_else(|| vec![0.0; n], |bias| values(&contiguous(bias)).to_vec());
    assert_eq!(bias.len(), n, "bias of a linear layer with {n} outputs");
    bias
}

/// `x * weight + bias (+ residual)`, then GELU if asked for; the residual's memory becomes the result
/// where nobody else holds it.
pub(crate) fn linear(
    x: FlexTensor,
    weight: &Matrix,
    bias: Option<FlexTensor>,
    residual: Option<FlexTensor>,
    gelu: bool,
) -> FlexTensor {
    let x = dense_rows(x);
    let rows = View::of(&x);
    let (m, n) = (rows.n_rows, weight.n_cols());
    let bias = bias.map(contiguous);
    let bias = bias.as_ref().map(values);
    let Some(residual) = residual else {
        // SAFETY: the product fills its target.
        let y = unsafe { filled(m * n, |y| weight.multiply(y, rows, Finish { start: None, bias, gelu })) };
        return tensor(y, [m, n]);
    };
    let mut residual = dense_rows(residual);
    let view = View::of(&residual);
    assert_eq!([view.n_rows, view.n_cols], [m, n], "residual of a linear layer");
    if let Some((first, _)) = residual.layout().contiguous_offsets()
        && let Some(storage) = residual.try_storage_mut::<f32>()
    {
        let target = storage[first..].as_mut_ptr();
        let start = Some(View::of_rows(target, m, n, n));
        // SAFETY: the storage holds m * n values from `first` on.
        unsafe { weight.multiply(target, rows, Finish { start, bias, gelu }) };
        return residual;
    }
    let finish = Finish { start: Some(view), bias, gelu };
    // SAFETY: the product fills its target.
    let y = unsafe { filled(m * n, |y| weight.multiply(y, rows, finish)) };
    tensor(y, [m, n])
}

/// `gelu(x * weight + bias)`, and `x * weight` for the way back.
pub(crate) fn linear_gelu_kept(
    x: FlexTensor,
    weight: FlexTensor,
    bias: Option<FlexTensor>,
) -> (FlexTensor, FlexTensor) {
    let hidden = linear(x, &Matrix::Plain(weight), None, None, false);
    let shape = hidden.layout().shape().clone();
    let (m, n) = (shape[0], shape[1]);
    let bias = bias_or_zeros(bias, n);
    let source = values(&hidden);
    // SAFETY: every row is written.
    let y = unsafe {
        filled(m * n, |target| {
            let target = Shared(target);
            for_row_chunks(m, n, |first, count| {
                let at = first * n;
                let source = source[at..].as_ptr();
                gelu_rows(source, bias.as_ptr(), target.get().add(at), count, n);
            });
        })
    };
    (tensor(y, shape), hidden)
}

/// The gradient of `hidden = x * weight` from that of `gelu(hidden + bias)`.
pub(crate) fn hidden_gradient(hidden: &FlexTensor, bias: Option<FlexTensor>, gradient: FlexTensor) -> FlexTensor {
    let gradient = contiguous(gradient);
    let shape = hidden.layout().shape().clone();
    let (m, n) = (shape[0], shape[1]);
    let bias = bias_or_zeros(bias, n);
    let (source, slope) = (values(hidden), values(&gradient));
    assert_eq!(source.len(), slope.len(), "gradient of a linear layer");
    // SAFETY: every row is written.
    let result = unsafe {
        filled(m * n, |target| {
            let target = Shared(target);
            for_row_chunks(m, n, |first, count| {
                let at = first * n;
                let (source, slope) = (source[at..].as_ptr(), slope[at..].as_ptr());
                let target = target.get().add(at);
                gelu_backward_rows(source, bias.as_ptr(), slope, target, count, n);
            });
        })
    };
    tensor(result, shape)
}

/// Gradients of x, weight and bias; what nobody wants is `None`. `x` is needed for the weight only.
pub(crate) fn linear_backward(
    x: Option<FlexTensor>,
    weight: Option<FlexTensor>,
    gradient: FlexTensor,
    wants: LinearWants,
) -> [Option<FlexTensor>; 3] {
    let gradient = dense_rows(gradient);
    let slope = View::of(&gradient);
    let (m, n) = (slope.n_rows, slope.n_cols);
    let dx = weight.filter(|_| wants.x).map(|weight| {
        let matrix = View::of(&weight).transposed();
        // SAFETY: the product fills its target.
        let dx = unsafe {
            filled(m * matrix.n_cols, |dx| {
                with_packed(matrix, |panels| multiply(dx, slope, panels, Finish::default()));
            })
        };
        tensor(dx, [m, matrix.n_cols])
    });
    let dweight = x.filter(|_| wants.weight).map(|x| {
        let x = dense_rows(x);
        let columns = View::of(&x).transposed();
        let d_in = columns.n_rows;
        // SAFETY: the product fills its target.
        let dweight = unsafe {
            filled(d_in * n, |dweight| {
                product(dweight, n, columns, slope, 1.0, false, Parallelism::Rayon(0));
            })
        };
        tensor(dweight, [d_in, n])
    });
    let dbias = wants.bias.then(|| tensor(row_sums(slope), [n]));
    [dx, dweight, dbias]
}

/// The sum of all rows.
pub(crate) fn row_sums(rows: View) -> Vec<f32> {
    let (stride, n) = (rows.row_stride as usize, rows.n_cols);
    sum_over_rows(rows.n_rows, 128, n, |first, count, sums| {
        let sums = sums.as_mut_ptr();
        // SAFETY: the rows exist; a stride of zero adds them up.
        unsafe { sum_rows(rows.row(first), stride, sums, 0, sums, 0, count, n) };
    })
}

/// `target += source`
///
/// # Safety
/// Both must hold `length` values.
pub(crate) unsafe fn add_to(target: *mut f32, source: *const f32, length: usize) {
    unsafe { sum_rows(source, 0, target, 0, target, 0, 1, length) };
}
