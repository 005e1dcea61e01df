//! `exp`, `erf` and GELU on vectors.

use super::simd::Vector;

/// Evaluates a polynomial, coefficients from the highest degree down.
#[inline(always)]
fn polynomial<V: Vector, const N: usize>(x: V, coefficients: [f32; N]) -> V {
    let mut value = x.filled(coefficients[0]);
    for &coefficient in &coefficients[1..] {
        value = value.mul_add(x, x.filled(coefficient));
    }
    value
}

/// `e^x`, within 2 ulp; below -87.3 it stays at about 1e-38, above 88 at 1.6e38.
#[inline(always)]
pub(crate) fn exp<V: Vector>(x: V) -> V {
    let x = x.max(x.filled(-87.3)).min(x.filled(88.0));
    let n = x.mul(x.filled(std::f32::consts::LOG2_E)).round();
    // x - n ln 2, with ln 2 in two parts (Cody and Waite).
    let r = n.mul_add(x.filled(-0.693_359_4), x);
    let r = n.mul_add(x.filled(2.121_944_4e-4), r);
    // Coefficients of Cephes' expf.
    let p = polynomial(r, [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5]);
    p.mul(r).mul_add(r, r).add(x.filled(1.0)).mul(n.exp2_of_integer())
}

/// The error function, within 4e-7 (Eigen's rational approximation).
#[inline(always)]
pub(crate) fn erf<V: Vector>(x: V) -> V {
    let x = x.max(x.filled(-4.0)).min(x.filled(4.0));
    let square = x.mul(x);
    let numerator = polynomial(
        square,
        [
            -2.726_142_3e-10,
            2.770_681_4e-8,
            -2.101_024e-6,
            -5.692_506_4e-5,
            -7.349_906_5e-4,
            -2.954_6e-3,
            -1.609_603_3e-2,
        ],
    );
    let denominator =
        polynomial(square, [-1.456_607_2e-5, -2.133_740_5e-4, -1.682_827e-3, -7.373_329_2e-3, -1.426_473_9e-2]);
    x.mul(numerator).div(denominator)
}

/// Half of `1 + erf(x / sqrt 2)`: the normal distribution function.
#[inline(always)]
fn normal_cdf<V: Vector>(x: V) -> V {
    let erf = erf(x.mul(x.filled(std::f32::consts::FRAC_1_SQRT_2)));
    x.filled(0.5).mul_add(erf, x.filled(0.5))
}

/// The exact GELU.
#[inline(always)]
pub(crate) fn gelu<V: Vector>(x: V) -> V {
    x.mul(normal_cdf(x))
}

/// The derivative of [`gelu`].
#[inline(always)]
pub(crate) fn gelu_derivative<V: Vector>(x: V) -> V {
    let inverse_sqrt_2pi = x.filled(0.398_942_3);
    let density = exp(x.mul(x).mul(x.filled(-0.5))).mul(inverse_sqrt_2pi);
    x.mul_add(density, normal_cdf(x))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fused::simd::{each_vector, multiversion};
    use crate::level::{Level, levels};

    /// In double precision: the series near zero, the continued fraction elsewhere.
    fn erf_f64(x: f64) -> f64 {
        let square = x * x;
        if x.abs() < 2.5 {
            let (mut term, mut sum) = (x, x);
            for n in 1..80 {
                term *= -square / f64::from(n);
                sum += term / f64::from(2 * n + 1);
            }
            return sum * 2.0 / std::f64::consts::PI.sqrt();
        }
        let mut fraction = x.abs();
        for n in (1..80).rev() {
            fraction = x.abs() + f64::from(n) / 2.0 / fraction;
        }
        x.signum() * (1.0 - (-square).exp() / (fraction * std::f64::consts::PI.sqrt()))
    }

    fn normal_cdf_f64(x: f64) -> f64 {
        0.5 * (1.0 + erf_f64(x / std::f64::consts::SQRT_2))
    }

    /// The largest value of `error(x, computed)` over -12..12 for each instruction set at hand.
    fn largest_error(function: fn(Level, &[f32], &mut [f32]), error: impl Fn(f64, f64) -> f64) -> f64 {
        let xs: Vec<f32> = (0..24_001).map(|i| (i as f32 - 12_000.0) / 1000.0).collect();
        let mut largest = 0.0_f64;
        for level in levels() {
            let mut ys = vec![0.0; xs.len()];
            function(level, &xs, &mut ys);
            for (&x, &y) in xs.iter().zip(&ys) {
                largest = largest.max(error(f64::from(x), f64::from(y)));
            }
        }
        largest
    }

    macro_rules! mapped {
        ($body:ident, $slice:ident, $function:ident) => {
            /// # Safety
            /// The machine must have the instruction set.
            #[inline(always)]
            unsafe fn $body<V: Vector>(source: &[f32], target: &mut [f32]) {
                assert!(source.len() == target.len());
                let (length, source, target) = (source.len(), source.as_ptr(), target.as_mut_ptr());
                // SAFETY: both hold `length` values; the rest is the caller's promise.
                unsafe {
                    each_vector!(V, length,
                        i => { $function(V::load(source.add(i))).store(target.add(i)) },
                        n => { $function(V::load_first(source.add(i), n)).store_first(target.add(i), n) });
                }
            }
            multiversion! { fn $slice(source: &[f32], target: &mut [f32]) = $body; }
        };
    }
    mapped!(exp_body, exp_slice, exp);
    mapped!(erf_body, erf_slice, erf);
    mapped!(gelu_body, gelu_slice, gelu);
    mapped!(slope_body, slope_slice, gelu_derivative);

    #[test]
    fn exp_is_within_two_ulp() {
        let error = largest_error(exp_slice, |x, y| (y / x.exp() - 1.0).abs());
        assert!(error < 2.4e-7, "{error:e}");
    }

    #[test]
    fn erf_is_close() {
        let error = largest_error(erf_slice, |x, y| (y - erf_f64(x)).abs());
        assert!(error < 4e-7, "{error:e}");
    }

    #[test]
    fn gelu_and_its_derivative_are_close() {
        let value = largest_error(gelu_slice, |x, y| (y - x * normal_cdf_f64(x)).abs() / x.abs().max(1.0));
        assert!(value < 2.4e-7, "{value:e}");
        let slope = largest_error(slope_slice, |x, y| {
            let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
            (y - (normal_cdf_f64(x) + x * density)).abs()
        });
        assert!(slope < 4e-7, "{slope:e}");
    }
}
