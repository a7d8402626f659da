// Package filter is the language that says which records are wanted by their
// metadata: from JSON to the records that match.
//
// There are two dialects. Parse reads Cloudflare's, and nothing but that.
// ParseExtended reads nearside's own, which has all of Cloudflare's, with the same
// meaning, and more. Both make a Filter. Match answers it for one record, Bitmap
// for all records at once, from the Columns that an index keeps for its metadata
// indexes; both give the same answer.
//
// # What a filter sees
//
// A Value is what a metadata index sees of a record: a string cut to 64 bytes, a
// number, a boolean, or nothing. "Nothing" (absent) is one case with many causes:
// no such property, null, an array or object, a value of another type than the
// index's, a record older than the metadata index, or no metadata index at all.
//
// A metadata index of type string sees more of an array: the strings in it, each
// cut to 64 bytes, as a set. The other items of the array count for nothing, and an
// array without a string is absent. To Cloudflare's operators a set is absent, too;
// $contains and $exists look into it.
//
// # Cloudflare's language
//
// A filter is an object whose keys are properties; all conditions must hold.
//
//	{"a":v} {"a":{"$eq":v}}   the value is v; of null: it is absent
//	{"a":{"$ne":v}}           the value is not v; of null: it is not absent
//	{"a":{"$in":[v,w]}}       the value is one of these, null as above
//	{"a":{"$nin":[v,w]}}      the value is none of these
//	{"a":{"$gte":v,"$lt":w}}  the value has the type of the bounds and lies between; $gt and $lte likewise
//
// An absent value passes $ne and $nin of values and $eq and $in of null, and
// nothing else. Strings are compared by their bytes.
//
// # The extended language
//
//	{"a":{"$exists":true}}         there is a value, or a set
//	{"a":{"$exists":false}}        there is neither
//	{"a":{"$contains":"x"}}        the value is the string x, or the set has it
//	{"a":{"$contains":["x","y"]}}  the same of x or y; of [], no record
//	{"$and":[f,g]}                 all these filters want the record
//	{"$or":[f,g]}                  one of these filters wants the record
//	{"$not":f}                     the filter f does not want the record
//
// The connectives stand beside properties, and each of f and g is a filter of its
// own that may have connectives again, at most MaxDepth inside each other. $not is
// the complement, so {"$not":{"a":{"$gt":5}}} wants the records without a, too. For
// $contains it makes no difference whether a record has "x" or ["x"]; for
// $exists:true and $ne of null it does, if what the record has is an array.
//
// # Sharing
//
// A Filter never changes and may be shared. A Column takes one writer and any
// number of readers at a time.
package filter
