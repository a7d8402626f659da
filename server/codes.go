package server

import (
	"strings"

	"nearside/catalog"
	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
	"nearside/llm"
	"nearside/llm/batch"
	"nearside/llm/chat"
	"nearside/llm/finetune"
	"nearside/llm/gateway"
	"nearside/llm/neuron"
	"nearside/vectorize"
)

// family is an API with its own envelope and its own codes.
type family uint8

const (
	platformAPI  family = iota // accounts, users, keys, and everything that is nobody's
	vectorizeAPI               // Vectorize v2 and v1
	workersAI                  // Workers AI and its OpenAI-compatible half
	nearsideAPI                // our own, below /nearside/

	// The same without an envelope, as the objects of Workers' bindings read it.
	vectorizeBound
	aiBound

	edgeDoor // a call to the Workers edge of which it is not known what it is for
)

// bare reports whether results stand in no envelope.
func (f family) bare() bool { return f == vectorizeBound || f == aiBound }

// api is the family whose codes f has.
func (f family) api() family {
	switch f {
	case vectorizeBound:
		return vectorizeAPI
	case aiBound:
		return workersAI
	}
	return f
}

// familyOf guesses the family of a path without a route, so that even its failure looks right.
func familyOf(path string) family {
	switch {
	case strings.Contains(path, "/ai/") && !strings.Contains(path, "/nearside/"):
		return workersAI
	case strings.Contains(path, "/vectorize/"):
		return vectorizeAPI
	}
	return platformAPI
}

// noResult is the result of a failure.
func (f family) noResult() []byte {
	if f == workersAI {
		return []byte("{}")
	}
	return []byte("null")
}

// codeRemark is the code of an item in the envelope's messages. Cloudflare's have codes of many kinds; ours says "remark".
const codeRemark = 10000

// meaning is what a fault is on the wire.
type meaning struct{ status, code int }

// kinds is what a fault means whose reason says nothing more precise. A family
// that is not listed answers as the platform does.
//
// Every code is one that Cloudflare documents or was seen to send, except
// 10000 + the HTTP status, which is ours for failures of a kind that no reply of
// theirs is known for.
var kinds = map[family]map[fault.Kind]meaning{
	platformAPI: {
		fault.Internal:     {500, 10013},
		fault.Invalid:      {400, 10400},
		fault.NotFound:     {404, 10404},
		fault.Gone:         {410, 10410},
		fault.Conflict:     {409, 10409},
		fault.Unauthorized: {401, 10000},
		fault.Forbidden:    {403, 10000},
		fault.TooLarge:     {413, 10413},
		fault.Quota:        {429, 971},
		fault.Busy:         {429, 971},
		fault.Canceled:     {408, 7009},
		fault.Unsupported:  {501, 10501},
		fault.Unavailable:  {503, 7009},
		fault.Corrupt:      {500, 10013},
	},
	vectorizeAPI: {
		fault.Invalid:  {400, 40026},
		fault.NotFound: {404, 3000},
		fault.Gone:     {410, 3005},
		fault.Conflict: {400, 3002}, // Cloudflare's duplicate is a 400
		fault.TooLarge: {413, 40026},
		fault.Busy:     {429, 40041},
		fault.Quota:    {429, 40041},
	},
	workersAI: {
		fault.Invalid:  {400, 5006},
		fault.NotFound: {404, 3042},
		fault.TooLarge: {413, 3006},
		fault.Quota:    {429, 3036},
		fault.Busy:     {429, 3040},
		fault.Canceled: {408, 3007},
	},
}

// reasons is what a precise reason means; it goes before the kind.
var reasons = map[fault.Reason]meaning{
	// The platform.
	reasonNoRoute:     {404, 7000},
	reasonMethod:      {405, 7001}, // "Method … not available for that URI"
	reasonPath:        {400, 7003}, // "Could not route to …"
	reasonNotBuilt:    {501, 10501},
	reasonNoKey:       {401, 10000},
	reasonWrongKey:    {401, 10000},
	reasonScope:       {403, 10000},
	reasonAccount:     {403, 10000},
	reasonIndex:       {403, 10000},
	reasonHost:        {403, 10000},
	reasonOrigin:      {403, 10000},
	reasonBinding:     {401, 10000},
	reasonSession:     {400, 10400},
	reasonMalformed:   {400, 6003}, // "Invalid request headers"
	reasonHeadTooLong: {431, 6003},
	reasonHeadSlow:    {408, 6003},
	reasonEncoding:    {415, 10415},
	reasonSlow:        {408, 3007},
	reasonTimeout:     {408, 3007},
	reasonHungUp:      {408, 3008}, // "aborted"; it is seen in the log alone

	// Vectorize.
	reasonNotJSON:     {400, 40026},
	reasonContentType: {400, 1005},
	reasonUpload:      {400, 40023},

	catalog.ReasonNoIndex:   {404, 3000},
	catalog.ReasonDeleted:   {410, 3005},
	catalog.ReasonDuplicate: {400, 3002},
	catalog.ReasonQuota:     {400, 3003}, // no reply of the kind is known
	catalog.ReasonTwin:      {409, 10409},
	catalog.ReasonNoTwin:    {404, 10404},
	vectorize.ReasonName:    {400, 3001},
	index.ReasonConfig:      {400, 3003},
	reasonLegacyCreate:      {400, 3003}, // no reply of the kind is known

	index.ReasonMetadataIndex: {400, 40004},
	index.ReasonNoMetadata:    {400, 40005},
	index.ReasonQueryVector:   {400, 40006},
	vectorize.ReasonIDs:       {400, 40007},
	vectorize.ReasonID:        {400, 40008},
	vectorize.ReasonNamespace: {400, 40009},
	index.ReasonDimensions:    {400, 40012},
	vectorize.ReasonMetadata:  {400, 40016},
	vectorize.ReasonTopKFull:  {400, 40025},

	// No code of Cloudflare's is known for these; 40026 says that the request is at fault.
	index.ReasonValue:           {400, 40026},
	index.ReasonCursor:          {400, 40026},
	index.ReasonTooManyMeta:     {400, 40026},
	vectorize.ReasonBatch:       {400, 40026},
	vectorize.ReasonMetadataKey: {400, 40026},
	vectorize.ReasonNamespaces:  {400, 40026},
	vectorize.ReasonVectors:     {400, 40026},
	vectorize.ReasonTopK:        {400, 40026},
	vectorize.ReasonQuery:       {400, 40026},
	vectorize.ReasonPage:        {400, 40026},
	index.ReasonSelection:       {400, 40026},
	index.ReasonUnindexed:       {400, 40026},
	index.ReasonUpdate:          {400, 40026},
	filter.ReasonFilter:         {400, 40026},
	filter.ReasonProperty:       {400, 40026},
	reasonLegacyExists:          {400, 40026},
	vectorize.ReasonReembedded:  {409, 40026},
	index.ReasonScope:           {403, 10000},

	// Workers AI.
	llm.ReasonModel:     {400, 5007},
	llm.ReasonTask:      {400, 5007},
	llm.ReasonInput:     {400, 5006},
	llm.ReasonBase64:    {400, 5004},
	llm.ReasonNoBackend: {503, 7009},
	llm.ReasonPinned:    {409, 10409},
	llm.ReasonBusy:      {429, 3040},
	llm.ReasonSlow:      {408, 3007},
	llm.ReasonBroken:    {503, 7009},
	llm.ReasonRefused:   {400, 5006},
	llm.ReasonUnable:    {501, 10501},
	llm.ReasonLoRA:      {405, 5005},

	finetune.ReasonModel:      {400, 1000},
	finetune.ReasonUnknown:    {404, 10404},
	finetune.ReasonIncomplete: {400, 3039},
	finetune.ReasonAsset:      {400, 5006},
	reasonNoForm:              {400, 3003},

	chat.ReasonJSONMode: {400, 5024}, // seen; not in Cloudflare's table
	chat.ReasonToolCall: {503, 7009},
	reasonNoInput:       {400, 3003},
	batch.ReasonUnknown: {404, 10404},

	gateway.ReasonTimeout: {408, 3007},

	neuron.ReasonExhausted: {429, 3036}, // or Config.QuotaCode
	neuron.ReasonReport:    {400, 10400},

	reasonNoSchema: {404, 6002},
}

// answer returns the status, code and message of a fault in this family.
func (f family) answer(e *fault.Error) (status, code int, message string) {
	m, known := reasons[e.Reason]
	if !known || e.Reason == "" {
		m, known = kinds[f.api()][e.Kind]
	}
	if !known {
		m = kinds[platformAPI][e.Kind]
	}
	if e.Kind == fault.Internal {
		return m.status, m.code, "An unknown error has occurred; the server's log says more"
	}
	if m.code == noCapacity && !strings.HasPrefix(e.Message, capacityExceeded) {
		return m.status, m.code, capacityExceeded + " (" + e.Message + ")"
	}
	return m.status, m.code, e.Message
}

// What clients of Workers AI look for when it is busy; llm says so of backends.
const (
	noCapacity       = 3040
	capacityExceeded = "Capacity temporarily exceeded, please try again."
)
