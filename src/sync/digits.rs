//! Lines of text as their forms and their numbers: what clinics write all day differs in little but digits.
//!
//! A line's *form* is the line with every run of digits taken out; the runs of all lines of one form stand in columns, each
//! number as its difference from the one above. A day's temperatures are one form and a few columns of small numbers, which
//! a general compressor then makes nearly nothing of. The text comes back to the byte.
//!
//! ```text
//! lines        varint           forms       varint
//! form         the line with NUL for a run of digits, ended by a line feed; as many as there are forms
//! form's place varint           of each line
//! number       varint           for each form, for each of its runs, for each of its lines:
//!                               the zigzag of the difference from the number above, 0 above the first
//! ```
//!
//! The number of a run of digits counts all runs: first those of one digit, then those of two (`0` is 0, `9` is 9, `00` is
//! 10), so that zeros in front are kept. A run of more than [`RUN_MAX`] digits is several.

use rustc_hash::FxHashMap;

/// Digits in one run.
const RUN_MAX: usize = 18;
/// What stands for a run in a form.
const RUN: u8 = 0;
/// What ends a form.
const END: u8 = b'\n';

/// The bytes are no packed lines, or more than were allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// Packs lines. None may contain NUL or a line feed.
pub(crate) fn pack(lines: &[Vec<u8>]) -> Vec<u8> {
    let mut forms: Vec<Vec<u8>> = Vec::new();
    let mut places: FxHashMap<Vec<u8>, usize> = FxHashMap::default();
    let mut columns: Vec<Vec<Vec<u64>>> = Vec::new();
    let mut order = Vec::with_capacity(lines.len());
    for line in lines {
        let (form, numbers) = taken_apart(line);
        let place = *places.entry(form).or_insert_with_key(|form| {
            forms.push(form.clone());
            columns.push(vec![Vec::new(); numbers.len()]);
            forms.len() - 1
        });
        order.push(place);
        for (column, number) in columns[place].iter_mut().zip(numbers) {
            column.push(number);
        }
    }
    let mut out = Vec::new();
    push(&mut out, lines.len() as u64);
    push(&mut out, forms.len() as u64);
    for form in &forms {
        out.extend_from_slice(form);
        out.push(END);
    }
    order.iter().for_each(|place| push(&mut out, *place as u64));
    for column in columns.iter().flatten() {
        let mut above = 0;
        for number in column {
            push(&mut out, zigzag(number.wrapping_sub(above) as i64));
            above = *number;
        }
    }
    out
}

/// Unpacks lines, of `bytes_max` bytes together at most.
pub(crate) fn unpack(packed: &[u8], bytes_max: usize) -> Result<Vec<Vec<u8>>, Damaged> {
    let mut rest = packed;
    let (lines, forms) = (pull(&mut rest)?, pull(&mut rest)?);
    // Each line and each form takes at least one byte.
    if lines > rest.len() as u64 || forms > lines {
        return Err(Damaged);
    }
    let forms: Vec<&[u8]> = (0..forms).map(|_| form(&mut rest)).collect::<Result<_, _>>()?;
    let order: Vec<usize> = (0..lines)
        .map(|_| place(&mut rest, forms.len()))
        .collect::<Result<_, _>>()?;
    let mut of_form = vec![0_usize; forms.len()];
    order.iter().for_each(|place| of_form[*place] += 1);
    let mut columns: Vec<Vec<std::vec::IntoIter<u64>>> = Vec::with_capacity(forms.len());
    for (form, lines) in forms.iter().zip(&of_form) {
        let runs = form.iter().filter(|byte| **byte == RUN).count();
        columns.push((0..runs).map(|_| column(&mut rest, *lines)).collect::<Result<_, _>>()?);
    }
    if !rest.is_empty() {
        return Err(Damaged);
    }
    let mut left = bytes_max;
    let whole = |place: &usize| put_together(forms[*place], &mut columns[*place], &mut left);
    order.iter().map(whole).collect()
}

fn form<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Damaged> {
    let end = rest.iter().position(|byte| *byte == END).ok_or(Damaged)?;
    let (form, after) = rest.split_at(end);
    *rest = &after[1..];
    Ok(form)
}

fn place(rest: &mut &[u8], forms: usize) -> Result<usize, Damaged> {
    let place = usize::try_from(pull(rest)?).map_err(|_| Damaged)?;
    (place < forms).then_some(place).ok_or(Damaged)
}

fn column(rest: &mut &[u8], lines: usize) -> Result<std::vec::IntoIter<u64>, Damaged> {
    if lines > rest.len() {
        return Err(Damaged);
    }
    let mut numbers = Vec::with_capacity(lines);
    let mut above = 0_u64;
    for _ in 0..lines {
        above = above.wrapping_add(unzigzag(pull(rest)?) as u64);
        numbers.push(above);
    }
    Ok(numbers.into_iter())
}

pub(crate) fn taken_apart(line: &[u8]) -> (Vec<u8>, Vec<u64>) {
    let (mut form, mut numbers) = (Vec::with_capacity(line.len()), Vec::new());
    let mut rest = line;
    while let Some(byte) = rest.first() {
        let digits = rest
            .iter()
            .take(RUN_MAX)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if digits == 0 {
            form.push(*byte);
            rest = &rest[1..];
            continue;
        }
        form.push(RUN);
        numbers.push(number(&rest[..digits]));
        rest = &rest[digits..];
    }
    (form, numbers)
}

fn put_together(form: &[u8], columns: &mut [std::vec::IntoIter<u64>], left: &mut usize) -> Result<Vec<u8>, Damaged> {
    let mut line = Vec::with_capacity(form.len() + columns.len() * 4);
    let mut columns = columns.iter_mut();
    for byte in form {
        match *byte {
            RUN => write_run(columns.next().and_then(Iterator::next).ok_or(Damaged)?, &mut line)?,
            byte => line.push(byte),
        }
    }
    *left = left.checked_sub(line.len()).ok_or(Damaged)?;
    Ok(line)
}

/// The number of a run of digits: how many runs come before it.
fn number(digits: &[u8]) -> u64 {
    let value = digits
        .iter()
        .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    shorter(digits.len()) + value
}

/// How many runs have fewer digits.
fn shorter(digits: usize) -> u64 {
    (1..digits as u32).map(|digits| 10_u64.pow(digits)).sum()
}

fn write_run(number: u64, line: &mut Vec<u8>) -> Result<(), Damaged> {
    let digits = (1..=RUN_MAX)
        .rev()
        .find(|digits| shorter(*digits) <= number)
        .ok_or(Damaged)?;
    let value = number - shorter(digits);
    if value >= 10_u64.pow(digits as u32) {
        return Err(Damaged);
    }
    line.extend_from_slice(format!("{value:0digits$}").as_bytes());
    Ok(())
}

pub(crate) fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

pub(crate) fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// Appends a number, seven bits a byte, the lowest first; all but the last have the eighth set.
pub(crate) fn push(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number from the front.
pub(crate) fn pull(rest: &mut &[u8]) -> Result<u64, Damaged> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first().ok_or(Damaged)?;
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return Err(Damaged);
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_to_the_byte() {
        let table: &[&[&str]] = &[
            &[],
            &[""],
            &["", "", "a"],
            &["0", "00", "000", "9", "10", "09", "99", "100"],
            &["Patient/17-k3f9a-1234", "Patient/17-k3f9a-1233", "Patient/17-k3f9a-1"],
            &["2026-11-26T08:15:00+06:00", "1e400", "-0.50", "37.0"],
            &[
                "123456789012345678",
                "999999999999999999",
                "1234567890123456789",
                "0000000000000000000000000000",
            ],
            &["Dzongkha \u{f56}\u{f0b} \u{f20}\u{f21}", "\\u0041 7"],
        ];
        for lines in table {
            let lines: Vec<Vec<u8>> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
            let size = lines.iter().map(Vec::len).sum();
            assert_eq!(unpack(&pack(&lines), size), Ok(lines.clone()), "{lines:?}");
            if size > 0 {
                assert_eq!(unpack(&pack(&lines), size - 1), Err(Damaged), "more than allowed");
            }
        }
    }

    #[test]
    fn damage_is_told_and_never_more_than_that() {
        let lines: Vec<Vec<u8>> = (0..40).map(|n| format!("a {n} b {}", n * 37).into_bytes()).collect();
        let packed = pack(&lines);
        for end in 0..packed.len() {
            assert_eq!(unpack(&packed[..end], 10_000), Err(Damaged), "cut at {end}");
        }
        for place in 0..packed.len() {
            for bit in 0..8 {
                let mut other = packed.clone();
                other[place] ^= 1 << bit;
                // Another text, or damage: a segment's hash is what tells them apart.
                if let Ok(unpacked) = unpack(&other, 10_000) {
                    assert_ne!(unpacked, lines);
                }
            }
        }
    }
}
