package finetune_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/fault"
	"nearside/llm/finetune"
)

// one describes a file of a single tensor.
func one(description string) string { return `{"q.lora_A.weight":` + description + `}` }

func TestFilesThatAreNoAdapterAreRefused(t *testing.T) {
	s := open(t, disktest.OpenDir(t, t.TempDir(), disk.Options{}))
	for i, test := range []struct {
		name string
		file []byte
		want string // "": it is taken
	}{
		{finetune.ConfigFile, []byte(config), ""},
		{finetune.ConfigFile, []byte(`{"r":1}`), ""},
		{finetune.ConfigFile, []byte(`{"r":32}`), ""},
		{finetune.ConfigFile, []byte(`{"r":33}`), "rank 33; at most 32"},
		{finetune.ConfigFile, []byte(`{"r":0}`), "from 1 on"},
		{finetune.ConfigFile, []byte(`{"r":8.5}`), "from 1 on"},
		{finetune.ConfigFile, []byte(`{"r":"8"}`), "from 1 on"},
		{finetune.ConfigFile, []byte(`{}`), "from 1 on"},
		{finetune.ConfigFile, []byte(`[]`), "not a JSON object"},
		{finetune.ConfigFile, []byte(``), "not a JSON object"},
		{finetune.ConfigFile, []byte(`{"r":8,"peft_type":"IA3"}`), "no other adapters"},
		{finetune.ConfigFile, append([]byte(`{"r":8}`), bytes.Repeat([]byte(" "), 1<<20)...), "at most 1048576"},

		{finetune.WeightsFile, adapter, ""},
		{finetune.WeightsFile, weights(one(`{"dtype":"F32","shape":[32,2],"data_offsets":[0,256]}`)+"   ", 256), ""}, // padded, as files are
		{finetune.WeightsFile, weights(one(`{"dtype":"F32","shape":[33,2],"data_offsets":[0,264]}`), 264), "rank 33"},
		{finetune.WeightsFile, weights(`{"q.lora_B.weight":{"dtype":"F32","shape":[2,33],"data_offsets":[0,264]}}`, 264), "rank 33"},
		{finetune.WeightsFile, nil, "no header"},
		{finetune.WeightsFile, []byte("short"), "no header"},
		{finetune.WeightsFile, []byte("\xff\xff\xff\xff\xff\xff\xff\xff{}"), "the header would have 18446744073709551615 bytes"},
		{finetune.WeightsFile, weights("{}", 0), "no tensors"},
		{finetune.WeightsFile, weights("[]", 0), "not a JSON object"},
		{finetune.WeightsFile, weights("null", 0), "not a JSON object"},
		{finetune.WeightsFile, weights(strings.Repeat(" ", 2<<20+1), 0), "the header would have 2097153 bytes"},
		{finetune.WeightsFile, weights(one(`7`), 0), "does not describe"},
		{finetune.WeightsFile, weights(one(`{"dtype":"F31","shape":[1],"data_offsets":[0,4]}`), 4), `type "F31"`},
		{finetune.WeightsFile, weights(one(`{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}`), 4), "impossible shape"},
		{finetune.WeightsFile, weights(one(`{"dtype":"F32","shape":[9223372036854775807,2],"data_offsets":[0,4]}`), 4), "impossible shape"},
		{finetune.WeightsFile, weights(one(`{"dtype":"F32","shape":[2],"data_offsets":[0,4]}`), 4), "has 4 bytes; its shape needs 8"},
		{finetune.WeightsFile, weights(one(`{"dtype":"F32","shape":[1],"data_offsets":[4,0]}`), 4), "has -4 bytes"},
		{finetune.WeightsFile, weights(one(`{"dtype":"F32","shape":[1],"data_offsets":[4,8]}`), 8), "begins at byte 4"},
		{finetune.WeightsFile, weights(one(`{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`), 3), "have 4 bytes, and the file has 3"},
		{finetune.WeightsFile, weights(one(`{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`), 5), "have 4 bytes, and the file has 5"},
		{finetune.WeightsFile, weights(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}`, 6), "begins at byte 2"},
	} {
		to := create(t, s, fmt.Sprint("account ", i), "mine")
		err := upload(t.Context(), s, to.Account, to.ID, test.name, bytes.NewReader(test.file))
		if test.want == "" && err == nil {
			continue
		}
		if f := fault.As(err); f == nil || f.Reason != finetune.ReasonAsset || test.want == "" || !strings.Contains(f.Message, test.want) {
			t.Errorf("%s %.120q: got %v, want %q", test.name, test.file, err, test.want)
		}
	}
}
