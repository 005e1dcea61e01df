//! How data sets and pixels are written: transfer syntaxes, and which of them are read.

use dicom_dictionary_std::uids;

/// Retired from the standard, and still found.
const EXPLICIT_BIG: &str = "1.2.840.10008.1.2.2";

/// The way out of a compression that is not read.
pub const UNPACK: &str = "unpack it first, as `gdcmconv --raw IN OUT` does";

/// How pixels lie in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Numbers one by one, without types of attributes.
    ImplicitLittle,
    /// Numbers one by one.
    ExplicitLittle,
    /// Numbers one by one, highest byte first.
    ExplicitBig,
    /// Run lengths.
    Rle,
    /// JPEG of any process.
    Jpeg,
    /// JPEG 2000.
    Jpeg2000,
    /// As a whole by deflate: not read.
    Deflated,
    /// What is not read, in words.
    Other(String),
}

impl Encoding {
    /// By the UID of its transfer syntax.
    pub fn of(syntax: &str) -> Self {
        let other = match syntax {
            uids::IMPLICIT_VR_LITTLE_ENDIAN => return Self::ImplicitLittle,
            uids::EXPLICIT_VR_LITTLE_ENDIAN => return Self::ExplicitLittle,
            EXPLICIT_BIG => return Self::ExplicitBig,
            uids::RLE_LOSSLESS => return Self::Rle,
            uids::JPEG_BASELINE8_BIT
            | uids::JPEG_EXTENDED12_BIT
            | uids::JPEG_LOSSLESS
            | uids::JPEG_LOSSLESS_SV1 => {
                return Self::Jpeg;
            }
            uids::JPEG2000_LOSSLESS | uids::JPEG2000 => return Self::Jpeg2000,
            uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN => return Self::Deflated,
            uids::JPEGLS_LOSSLESS | uids::JPEGLS_NEAR_LOSSLESS => "JPEG-LS".to_owned(),
            uids::HTJ2K_LOSSLESS | uids::HTJ2K_LOSSLESS_RPCL | uids::HTJ2K => {
                "high-throughput JPEG 2000".to_owned()
            }
            uids::JPEGXL_LOSSLESS | uids::JPEGXL | uids::JPEGXLJPEG_RECOMPRESSION => "JPEG XL".to_owned(),
            "" => "an unnamed transfer syntax".to_owned(),
            other => format!("the transfer syntax {other}"),
        };
        Self::Other(other)
    }

    /// What of the encodings is not read, and the way out; `None` where it is read.
    pub fn refusal(&self) -> Option<String> {
        let name = match self {
            Self::Deflated => "a deflated data set",
            Self::Other(name) => name,
            _ => return None,
        };
        Some(format!("it is written in {name}, which is not read here; {UNPACK}"))
    }
}
