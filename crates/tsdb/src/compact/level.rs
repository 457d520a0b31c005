//! Several blocks as the series of one: a merge by labels, with the symbols of each block translated.
//!
//! Symbols of a block are sorted, and so are those of the result: translation keeps their order, and comparing series is
//! comparing numbers. A series that several blocks have comes once, with the chunks of all.

use std::borrow::Cow;
use std::iter::Peekable;
use std::sync::Arc;

use super::rewrite::Input;
use super::write::{BlockInput, CompactError, Visit};
use crate::block::{Block, BlockError, ChunkMeta, SeriesCursor, Tombstones};

/// See the module. Blocks by start.
#[derive(Debug)]
pub(crate) struct MergedBlocks {
    blocks: Vec<Arc<Block>>,
    tombstones: Vec<Arc<Tombstones>>,
    /// Per block: position of each symbol in the result.
    translations: Vec<Vec<u32>>,
}

impl MergedBlocks {
    /// Prepares to merge; reads all symbols once.
    /// # Errors
    /// When a symbol table is damaged.
    pub(crate) fn new(blocks: Vec<Arc<Block>>) -> Result<Self, BlockError> {
        let mut translations: Vec<Vec<u32>> = vec![Vec::new(); blocks.len()];
        let mut symbols = SymbolMerge::new(&blocks)?;
        let mut position = 0;
        while symbols.step(|block| translations[block].push(position)).is_some() {
            position += 1;
        }
        drop(symbols);
        let tombstones = blocks.iter().map(|block| block.tombstones()).collect();
        Ok(Self { blocks, tombstones, translations })
    }
}

impl BlockInput for MergedBlocks {
    fn symbols(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match SymbolMerge::new(&self.blocks) {
            Ok(symbols) => Box::new(symbols),
            // It was read before; a writer that gets no symbols refuses the first series.
            Err(_) => Box::new(std::iter::empty()),
        }
    }

    fn visit(&mut self, visit: &mut Visit<'_>) -> Result<(), CompactError> {
        let mut heads = Vec::with_capacity(self.blocks.len());
        for (block, translation) in self.blocks.iter().zip(&self.translations) {
            let mut head = Head { cursor: block.series()?, translation, series: None };
            head.advance()?;
            heads.push(head);
        }
        while let Some(least) = heads.iter().filter_map(|head| head.series.as_ref()).map(|s| &s.labels).min()
        {
            let labels = least.clone();
            let mut inputs = Vec::new();
            for ((head, block), tombstones) in heads.iter_mut().zip(&self.blocks).zip(&self.tombstones) {
                let Some(series) = head.series.take_if(|series| series.labels == labels) else { continue };
                let deleted = tombstones.of(series.series_ref);
                for chunk in &series.chunks {
                    let (encoding, data) = block.chunk(chunk.chunk_ref)?;
                    inputs.push(Input { span: chunk.span(), encoding, data: Cow::Borrowed(data), deleted });
                }
                head.advance()?;
            }
            visit(&labels, inputs)?;
        }
        Ok(())
    }
}

/// The next series of one block.
struct Head<'a> {
    cursor: SeriesCursor<'a>,
    translation: &'a [u32],
    series: Option<Series>,
}

struct Series {
    series_ref: u64,
    /// Positions in the symbols of the result.
    labels: Vec<(u32, u32)>,
    chunks: Vec<ChunkMeta>,
}

impl Head<'_> {
    fn advance(&mut self) -> Result<(), BlockError> {
        let translate = |symbol: u32| self.translation.get(symbol as usize).copied().unwrap_or(u32::MAX);
        self.series = self.cursor.next()?.map(|entry| Series {
            series_ref: entry.series_ref,
            labels: entry.labels.iter().map(|(name, value)| (translate(*name), translate(*value))).collect(),
            chunks: entry.chunks.clone(),
        });
        Ok(())
    }
}

/// The distinct symbols of several blocks, ascending.
struct SymbolMerge<'a> {
    heads: Vec<Peekable<Box<dyn Iterator<Item = &'a str> + 'a>>>,
}

impl<'a> SymbolMerge<'a> {
    fn new(blocks: &'a [Arc<Block>]) -> Result<Self, BlockError> {
        let mut heads = Vec::with_capacity(blocks.len());
        for block in blocks {
            let symbols: Box<dyn Iterator<Item = &'a str> + 'a> = Box::new(block.symbols()?.iter());
            heads.push(symbols.peekable());
        }
        Ok(Self { heads })
    }

    /// Returns the next symbol, after calling `found` with the position of each block that has it.
    fn step(&mut self, mut found: impl FnMut(usize)) -> Option<&'a str> {
        let least = self.heads.iter_mut().filter_map(|head| head.peek().copied()).min()?;
        for (at, head) in self.heads.iter_mut().enumerate() {
            if head.next_if(|symbol| *symbol == least).is_some() {
                found(at);
            }
        }
        Some(least)
    }
}

impl<'a> Iterator for SymbolMerge<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.step(|_| ())
    }
}
