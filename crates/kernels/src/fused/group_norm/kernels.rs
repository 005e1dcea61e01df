//! The kernels of the group norm: rows of channels, one after another.

use crate::fused::math::{gelu, gelu_derivative};
use crate::fused::memory::Slot;
use crate::fused::simd::{Vector, each_vector, multiversion};

/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn add_powers_body<V: Vector>(x: &[f32], mean: &[f32], square: bool, sums: &mut [f32]) {
    let c = mean.len();
    let n_rows = x.len() / c;
    assert!(sums.len() == c && x.len() == n_rows * c);
    let (x, mean, sums) = (x.as_ptr(), mean.as_ptr(), sums.as_mut_ptr());
    // SAFETY: x holds rows of c values, the others c; the rest is the caller's promise.
    unsafe {
        for row in 0..n_rows {
            let x = x.add(row * c);
            let power = |difference: V| if square { difference.mul(difference) } else { difference };
            each_vector!(V, c,
            i => {
                let difference = V::load(x.add(i)).sub(V::load(mean.add(i)));
                V::load(sums.add(i)).add(power(difference)).store(sums.add(i));
            },
            n => {
                let difference = V::load_first(x.add(i), n).sub(V::load_first(mean.add(i), n));
                V::load_first(sums.add(i), n).add(power(difference)).store_first(sums.add(i), n);
            });
        }
    }
}
multiversion! {
    /// Adds `x - mean`, or its square, of each channel to the sums.
    pub(super) fn add_powers(x: &[f32], mean: &[f32], square: bool, sums: &mut [f32]) = add_powers_body;
}

/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn scale_gelu_body<V: Vector>(x: &[f32], mean: &[f32], scale: &[f32], shift: &[f32], target: &mut [Slot]) {
    let c = mean.len();
    let n_rows = x.len() / c;
    assert!(scale.len() == c && shift.len() == c && x.len() == n_rows * c && target.len() == x.len());
    let (x, target) = (x.as_ptr(), target.as_mut_ptr().cast::<f32>());
    let (mean, scale, shift) = (mean.as_ptr(), scale.as_ptr(), shift.as_ptr());
    // SAFETY: x and target hold rows of c values, the others c; the rest is the caller's promise.
    unsafe {
        for row in 0..n_rows {
            let (x, target) = (x.add(row * c), target.add(row * c));
            each_vector!(V, c,
            i => {
                let centred = V::load(x.add(i)).sub(V::load(mean.add(i)));
                let y = centred.mul_add(V::load(scale.add(i)), V::load(shift.add(i)));
                gelu(y).store(target.add(i));
            },
            n => {
                let centred = V::load_first(x.add(i), n).sub(V::load_first(mean.add(i), n));
                let scale = V::load_first(scale.add(i), n);
                let y = centred.mul_add(scale, V::load_first(shift.add(i), n));
                gelu(y).store_first(target.add(i), n);
            });
        }
    }
}
multiversion! {
    /// `target = gelu((x - mean) * scale + shift)`, channel by channel.
    pub(super) fn scale_gelu(
        x: &[f32],
        mean: &[f32],
        scale: &[f32],
        shift: &[f32],
        target: &mut [Slot],
    ) = scale_gelu_body;
}

/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn slopes_body<V: Vector>(
    x: &[f32],
    gradient: &[f32],
    mean: &[f32],
    scale: &[f32],
    shift: &[f32],
    target: &mut [Slot],
    sums: &mut [f32],
) {
    let c = mean.len();
    let n_rows = x.len() / c;
    assert!(x.len() == n_rows * c && gradient.len() == x.len() && target.len() == x.len());
    assert!(scale.len() == c && shift.len() == c && sums.len() == 2 * c);
    let (x, gradient, target) = (x.as_ptr(), gradient.as_ptr(), target.as_mut_ptr().cast::<f32>());
    let (mean, scale, shift, sums) = (mean.as_ptr(), scale.as_ptr(), shift.as_ptr(), sums.as_mut_ptr());
    // SAFETY: x, its gradient and target hold rows of c values, the sums 2 c, the others c; the rest is the
    // caller's promise.
    unsafe {
        for row in 0..n_rows {
            let (x, gradient, target) = (x.add(row * c), gradient.add(row * c), target.add(row * c));
            let (sums, with_x) = (sums, sums.add(c));
            each_vector!(V, c,
            i => {
                let centred = V::load(x.add(i)).sub(V::load(mean.add(i)));
                let y = centred.mul_add(V::load(scale.add(i)), V::load(shift.add(i)));
                let slope = gelu_derivative(y).mul(V::load(gradient.add(i)));
                slope.store(target.add(i));
                V::load(sums.add(i)).add(slope).store(sums.add(i));
                slope.mul_add(centred, V::load(with_x.add(i))).store(with_x.add(i));
            },
            n => {
                let centred = V::load_first(x.add(i), n).sub(V::load_first(mean.add(i), n));
                let scale = V::load_first(scale.add(i), n);
                let y = centred.mul_add(scale, V::load_first(shift.add(i), n));
                let slope = gelu_derivative(y).mul(V::load_first(gradient.add(i), n));
                slope.store_first(target.add(i), n);
                V::load_first(sums.add(i), n).add(slope).store_first(sums.add(i), n);
                slope.mul_add(centred, V::load_first(with_x.add(i), n)).store_first(with_x.add(i), n);
            });
        }
    }
}
multiversion! {
    /// The gradient before GELU; adds it, and its product with `x - mean`, to `c` sums each.
    pub(super) fn slopes(
        x: &[f32],
        gradient: &[f32],
        mean: &[f32],
        scale: &[f32],
        shift: &[f32],
        target: &mut [Slot],
        sums: &mut [f32],
    ) = slopes_body;
}

/// # Safety
/// The machine must have the instruction set, and the target must have been written.
#[inline(always)]
unsafe fn finish_body<V: Vector>(
    x: &[f32],
    mean: &[f32],
    scale: &[f32],
    of_x: &[f32],
    constant: &[f32],
    target: &mut [Slot],
) {
    let c = mean.len();
    let n_rows = x.len() / c;
    assert!(x.len() == n_rows * c && target.len() == x.len());
    assert!(scale.len() == c && of_x.len() == c && constant.len() == c);
    let (x, target) = (x.as_ptr(), target.as_mut_ptr().cast::<f32>());
    let (mean, scale) = (mean.as_ptr(), scale.as_ptr());
    let (of_x, constant) = (of_x.as_ptr(), constant.as_ptr());
    // SAFETY: x and target hold rows of c values, the others c; the rest is the caller's promise.
    unsafe {
        for row in 0..n_rows {
            let (x, target) = (x.add(row * c), target.add(row * c));
            each_vector!(V, c,
            i => {
                let centred = V::load(x.add(i)).sub(V::load(mean.add(i)));
                let rest = centred.mul_add(V::load(of_x.add(i)), V::load(constant.add(i)));
                V::load(target.add(i)).mul(V::load(scale.add(i))).sub(rest).store(target.add(i));
            },
            n => {
                let centred = V::load_first(x.add(i), n).sub(V::load_first(mean.add(i), n));
                let rest = centred.mul_add(V::load_first(of_x.add(i), n), V::load_first(constant.add(i), n));
                let slope = V::load_first(target.add(i), n).mul(V::load_first(scale.add(i), n));
                slope.sub(rest).store_first(target.add(i), n);
            });
        }
    }
}
multiversion! {
    /// `target = target * scale - ((x - mean) * of_x + constant)`, channel by channel.
    ///
    /// # Safety
    /// The target must have been written.
    pub(super) unsafe fn finish(
        x: &[f32],
        mean: &[f32],
        scale: &[f32],
        of_x: &[f32],
        constant: &[f32],
        target: &mut [Slot],
    ) = finish_body;
}
