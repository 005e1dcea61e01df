//! From bytes to attributes and pixel data. The parser is dicom-rs's; here is what it must not be let do with bytes that are
//! not to be trusted: allocate what a file can't hold, follow sequences without end, read on after a token that can't be.

use std::io::Cursor;

use dicom_core::header::Header;
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, Length, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_parser::dataset::LazyDataToken;
use dicom_parser::dataset::lazy_read::LazyDataSetReader;
use dicom_parser::{DynStatefulDecoder, StatefulDecode};
use dicom_transfer_syntax_registry::entries;

use crate::attributes::{is_used, text};
use crate::encoding::Encoding;
use crate::files::MARK_AT;
use crate::limits::{MAX_ELEMENTS, MAX_SEQUENCE_DEPTH, MAX_VALUE_BYTES};

/// The group length of the file meta information: tag, type, length and value.
const META_AT: usize = MARK_AT + 4;
const META_START: [u8; 8] = [2, 0, 0, 0, b'U', b'L', 4, 0];
/// Real ones have some hundred bytes.
const MAX_META_BYTES: usize = 1 << 16;

/// Why bytes are no usable object.
#[derive(Debug)]
pub enum Fault {
    /// They end too early.
    Truncated,
    /// Anything else.
    Malformed(String),
}

/// What a file says before its data set.
pub struct Meta {
    /// What kind of object it is.
    pub sop_class: String,
    /// How the data set is written.
    pub encoding: Encoding,
    /// Where the data set begins.
    end: usize,
}

/// An object and its pixels.
pub struct Parsed<'a> {
    /// Its attributes, as far as they are used.
    pub object: InMemDicomObject,
    /// Its pixels; in a part of a file, what of them there is.
    pub pixels: Option<Pixels<'a>>,
}

/// The bytes of the pixels.
#[derive(Debug)]
pub enum Pixels<'a> {
    /// All frames, one behind the other.
    Native(&'a [u8]),
    /// Compressed frames.
    Fragments {
        /// Where each frame begins among the fragments, counted with their headers of 8 bytes; often empty.
        offsets: Vec<u32>,
        /// The pieces.
        fragments: Vec<&'a [u8]>,
    },
}

impl Meta {
    /// Reads the file meta information.
    pub fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let start = bytes.get(META_AT..META_AT + 12).ok_or(Fault::Truncated)?;
        if start[..8] != META_START {
            return Err(Fault::Malformed("its file meta information does not begin with its length".to_owned()));
        }
        let n_bytes = u32::from_le_bytes([start[8], start[9], start[10], start[11]]) as usize;
        if n_bytes > MAX_META_BYTES {
            return Err(Fault::Malformed(format!("its file meta information claims {n_bytes} bytes")));
        }
        let end = META_AT + 12 + n_bytes;
        let meta = bytes.get(META_AT + 12..end).ok_or(Fault::Truncated)?;
        let object = Reader::new(meta, &Encoding::ExplicitLittle)?.whole(false)?.object;
        let syntax = text(&object, tags::TRANSFER_SYNTAX_UID);
        let sop_class = text(&object, tags::MEDIA_STORAGE_SOP_CLASS_UID);
        Ok(Self { sop_class, encoding: Encoding::of(&syntax), end })
    }

    /// Reads the data set: the attributes before the pixels, and, `with_pixels`, where these lie.
    pub fn parse<'a>(&self, bytes: &'a [u8], with_pixels: bool) -> Result<Parsed<'a>, Fault> {
        if self.encoding == Encoding::Deflated {
            return Err(Fault::Malformed(self.encoding.refusal().unwrap_or_default()));
        }
        Reader::new(bytes.get(self.end..).unwrap_or_default(), &self.encoding)?.whole(with_pixels)
    }
}

/// Walks over one data set.
struct Reader<'a> {
    bytes: &'a [u8],
    tokens: LazyDataSetReader<DynStatefulDecoder<Cursor<&'a [u8]>>>,
    n_elements: usize,
    pixels: Option<Pixels<'a>>,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], encoding: &Encoding) -> Result<Self, Fault> {
        let syntax = match encoding {
            Encoding::ImplicitLittle => &entries::IMPLICIT_VR_LITTLE_ENDIAN.erased(),
            Encoding::ExplicitBig => &entries::EXPLICIT_VR_BIG_ENDIAN.erased(),
            _ => &entries::EXPLICIT_VR_LITTLE_ENDIAN.erased(),
        };
        let tokens = LazyDataSetReader::new_with_ts(Cursor::new(bytes), syntax).map_err(malformed)?;
        Ok(Self { bytes, tokens, n_elements: 0, pixels: None })
    }

    /// Reads to the pixels of the object itself, or to its end. Without `with_pixels`, their lengths are not looked at.
    fn whole(mut self, with_pixels: bool) -> Result<Parsed<'a>, Fault> {
        let object = self.object(0, with_pixels)?;
        Ok(Parsed { object, pixels: self.pixels })
    }

    /// The attributes of the data set (depth 0) or of an item of a sequence.
    fn object(&mut self, depth: usize, with_pixels: bool) -> Result<InMemDicomObject, Fault> {
        let mut object = InMemDicomObject::new_empty();
        loop {
            self.n_elements += 1;
            if self.n_elements > MAX_ELEMENTS {
                return Err(Fault::Malformed(format!("it has more than {MAX_ELEMENTS} elements")));
            }
            let token = match self.tokens.advance() {
                Some(token) => token.map_err(malformed)?,
                None if depth == 0 => return Ok(object),
                None => return Err(Fault::Truncated),
            };
            match token {
                LazyDataToken::ElementHeader(header) if depth == 0 && header.tag() == tags::PIXEL_DATA => {
                    self.pixels = Some(self.native(with_pixels)?);
                    return Ok(object);
                }
                LazyDataToken::ElementHeader(_) => self.element(&mut object)?,
                LazyDataToken::SequenceStart { tag, .. } => {
                    if depth >= MAX_SEQUENCE_DEPTH {
                        let reason =
                            format!("its sequences lie in each other more than {MAX_SEQUENCE_DEPTH} deep");
                        return Err(Fault::Malformed(reason));
                    }
                    self.sequence(&mut object, tag, depth)?;
                }
                LazyDataToken::PixelSequenceStart if depth == 0 => {
                    let (offsets, fragments) = if with_pixels { self.fragments()? } else { Default::default() };
                    self.pixels = Some(Pixels::Fragments { offsets, fragments });
                    return Ok(object);
                }
                // Those of an icon.
                LazyDataToken::PixelSequenceStart => drop(self.fragments()?),
                LazyDataToken::ItemEnd if depth > 0 => return Ok(object),
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// The value that belongs to the header read last.
    fn element(&mut self, object: &mut InMemDicomObject) -> Result<(), Fault> {
        let n_bytes = self.bytes.len() as u64;
        match self.tokens.advance() {
            Some(Ok(LazyDataToken::LazyValue { header, decoder })) => {
                let length =
                    header.len.get().ok_or_else(|| Fault::Malformed("a value has no length".to_owned()))?;
                if decoder.position() + u64::from(length) > n_bytes {
                    return Err(Fault::Truncated);
                }
                // The character set is the parser's to know.
                if is_used(header.tag) && length <= MAX_VALUE_BYTES {
                    let value = decoder.read_value_preserved(&header).map_err(malformed)?;
                    object.put(DataElement::new(header.tag, header.vr, value));
                } else {
                    decoder.skip_bytes(length).map_err(malformed)?;
                }
                Ok(())
            }
            Some(Ok(other)) => Err(unexpected(&other)),
            Some(Err(error)) => Err(malformed(error)),
            None => Err(Fault::Truncated),
        }
    }

    fn sequence(&mut self, object: &mut InMemDicomObject, tag: Tag, depth: usize) -> Result<(), Fault> {
        let mut items = Vec::new();
        loop {
            match self.tokens.advance() {
                Some(Ok(LazyDataToken::ItemStart { .. })) => {
                    let item = self.object(depth + 1, false)?;
                    if is_used(tag) {
                        items.push(item);
                    }
                }
                Some(Ok(LazyDataToken::SequenceEnd)) => break,
                Some(Ok(other)) => return Err(unexpected(&other)),
                Some(Err(error)) => return Err(malformed(error)),
                None => return Err(Fault::Truncated),
            }
        }
        if is_used(tag) {
            object.put(DataElement::new(tag, VR::SQ, DataSetSequence::new(items, Length::UNDEFINED)));
        }
        Ok(())
    }

    fn native(&mut self, with_pixels: bool) -> Result<Pixels<'a>, Fault> {
        match self.tokens.advance() {
            Some(Ok(LazyDataToken::LazyValue { header, decoder })) if with_pixels => {
                let start = decoder.position() as usize;
                let end = start + header.len.get().unwrap_or(0) as usize;
                Ok(Pixels::Native(self.bytes.get(start..end).ok_or(Fault::Truncated)?))
            }
            Some(Ok(LazyDataToken::LazyValue { .. })) => Ok(Pixels::Native(&[])),
            Some(Ok(other)) => Err(unexpected(&other)),
            Some(Err(error)) => Err(malformed(error)),
            None => Err(Fault::Truncated),
        }
    }

    /// The offset table, which is the first item, and the fragments after it.
    fn fragments(&mut self) -> Result<(Vec<u32>, Vec<&'a [u8]>), Fault> {
        let mut pieces: Vec<&'a [u8]> = Vec::new();
        loop {
            match self.tokens.advance() {
                Some(Ok(LazyDataToken::ItemStart { .. })) => pieces.push(&[]),
                Some(Ok(LazyDataToken::LazyItemValue { len, decoder })) => {
                    let start = decoder.position() as usize;
                    let piece = self.bytes.get(start..start + len as usize).ok_or(Fault::Truncated)?;
                    if let Some(last) = pieces.last_mut() {
                        *last = piece;
                    }
                    decoder.skip_bytes(len).map_err(malformed)?;
                }
                Some(Ok(LazyDataToken::ItemEnd)) => {}
                Some(Ok(LazyDataToken::SequenceEnd)) => break,
                Some(Ok(other)) => return Err(unexpected(&other)),
                Some(Err(error)) => return Err(malformed(error)),
                None => return Err(Fault::Truncated),
            }
        }
        if pieces.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let fragments = pieces.split_off(1);
        let offsets = pieces[0].as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        Ok((offsets, fragments))
    }
}

/// The first line of what the parser says; more would hold its own place in the code.
fn malformed(error: impl std::error::Error) -> Fault {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        if error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::UnexpectedEof)
        {
            return Fault::Truncated;
        }
        text = error.to_string();
        cause = error.source();
    }
    Fault::Malformed(format!("it is damaged ({})", text.lines().next().unwrap_or_default()))
}

fn unexpected<D>(token: &LazyDataToken<D>) -> Fault {
    Fault::Malformed(format!("it is damaged ({token:?} where none can be)"))
}
