/* pretokenizer_regexes.h - the regexes of pretokenizers.def, in PCRE2's syntax.
 *
 * Each family's name is a list of one or more: what one splits, the next splits again. They are those that models were
 * trained with, as llama.cpp gives them; TEKKEN and GPT4O are as Hugging Face has them, where llama.cpp differs in case
 * beyond ASCII and in marks (tokenizer.h). What PCRE2 means by \s depends on its options, so blanks are spelled out:
 * the characters of Unicode's White_Space.
 */
#ifndef ENGINE_PRETOKENIZER_REGEXES_H
#define ENGINE_PRETOKENIZER_REGEXES_H

/* clang-format off */

#define BLANKS "\\x09-\\x0D\\x20\\x85\\xA0\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
#define BLANK "[" BLANKS "]"

/* Blanks, except the last one where a word follows; of line ends, those that end in one. */
#define BLANKS_BEFORE_BLANK BLANK "+(?![^" BLANKS "])"
#define BLANK_TAIL BLANK "*[\\r\\n]+|" BLANKS_BEFORE_BLANK "|" BLANK "+"

#define SUFFIXES "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
#define ANY_CASE_SUFFIXES "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"

#define WORDS "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define MARKS " ?[^" BLANKS "\\p{L}\\p{N}]+[\\r\\n]*"

/* Words in which an upper-case letter after a lower-case one begins the next. */
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CAMEL_1 "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+"
#define CAMEL_2 "[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*"
#define CAMEL_TAIL " ?[^" BLANKS "\\p{L}\\p{N}]+[\\r\\n/]*|" BLANK_TAIL

#define GPT2 \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^" BLANKS "\\p{L}\\p{N}]+|" BLANKS_BEFORE_BLANK
#define SMOLLM "\\p{N}", GPT2
#define FALCON "[\\p{P}$+<=>^~|`]+", GPT2, "[0-9][0-9][0-9]"
#define DEFAULT "[\\p{P}$+<=>^~|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"
#define LLAMA3 SUFFIXES "|" WORDS "|\\p{N}{1,3}|" MARKS "|" BLANK_TAIL
#define QWEN2 SUFFIXES "|" WORDS "|\\p{N}|" MARKS "|" BLANK_TAIL
#define QWEN35 \
    SUFFIXES "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^" BLANKS "\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" BLANK_TAIL
#define SEED_CODER SUFFIXES "|" WORDS "|\\p{N}| ?[^" BLANKS "\\p{L}\\p{N}\\r\\n]+|" BLANK_TAIL
#define BAILINGMOE \
    SUFFIXES "|" WORDS "|\\p{N}|" MARKS "|" BLANK "*[\\r\\n]|" BLANKS_BEFORE_BLANK "|" BLANK "+"
#define TEKKEN CAMEL_1 "|" CAMEL_2 "|\\p{N}|" CAMEL_TAIL
#define GPT4O CAMEL_1 ANY_CASE_SUFFIXES "|" CAMEL_2 ANY_CASE_SUFFIXES "|\\p{N}{1,3}|" CAMEL_TAIL
#define GEMMA4 "[^\\n]+|\\n+"

/* Letters of scripts that have case, in the Unicode of their time. */
#define CASED \
    "A-Za-z\\xB5\\xC0-\\xD6\\xD8-\\xF6\\xF8-\\x{1BA}\\x{1BC}-\\x{1BF}\\x{1C4}-\\x{293}\\x{295}-\\x{2AF}" \
    "\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}\\x{37F}\\x{386}\\x{388}-\\x{38A}\\x{38C}" \
    "\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}\\x{3F7}-\\x{481}\\x{48A}-\\x{52F}\\x{531}-\\x{556}" \
    "\\x{10A0}-\\x{10C5}\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}" \
    "\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}\\x{1F18}-\\x{1F1D}" \
    "\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}\\x{1F5B}\\x{1F5D}" \
    "\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}\\x{1FB6}-\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{1FC4}" \
    "\\x{1FC6}-\\x{1FCC}\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}\\x{1FF2}-\\x{1FF4}" \
    "\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}\\x{2124}" \
    "\\x{2126}\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}" \
    "\\x{2145}-\\x{2149}\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}" \
    "\\x{2CEB}-\\x{2CEE}\\x{2CF2}\\x{2CF3}\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}" \
    "\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}" \
    "\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}" \
    "\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}\\x{118A0}-\\x{118DF}" \
    "\\x{1E900}-\\x{1E943}"

/* Without the blanks between them. */
#define EAST_ASIAN \
    "[\\x{800}-\\x{167F}\\x{1681}-\\x{1FFF}\\x{200B}-\\x{2027}\\x{202A}-\\x{202E}\\x{2030}-\\x{205E}" \
    "\\x{2060}-\\x{2FFF}\\x{3001}-\\x{9FA5}\\x{AC00}-\\x{D7FF}]+"
#define DEEPSEEK_LLM \
    "[\\r\\n]", \
    BLANK "?[" CASED "]+", \
    BLANK "?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3001}\\x{3002}]+", \
    "(?<!" BLANK ")" BLANK "++$", \
    EAST_ASIAN, \
    "\\p{N}+"
#define DEEPSEEK_CODER "[\\r\\n]", BLANK "?\\p{L}+", BLANK "?\\p{P}+", EAST_ASIAN, "\\p{N}"
#define DEEPSEEK_V3 \
    "\\p{N}{1,3}", \
    "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{30FF}]+", \
    "[!-/:-@\\[-`{-~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|" BLANK_TAIL

/* clang-format on */

#endif
