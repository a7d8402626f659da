package pdf

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/rc4"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"io"

	"nearside/fault"
)

// crypt undoes the standard security handler (ISO 32000-2, 7.6) with the empty user password, which
// is how files are encrypted that everybody may read.
type crypt struct {
	key       []byte
	perObject bool // the key is mixed with the object's number; not so from version 5 on
	texts     method
	streams   method
}

type method uint8

const (
	plain method = iota
	rc4Method
	aesMethod
)

// padding fills passwords up to 32 bytes (algorithm 2).
var padding = []byte("\x28\xBF\x4E\x5E\x4E\x75\x8A\x41\x64\x00\x4E\x56\xFF\xFA\x01\x08\x2E\x2E\x00\xB6\xD0\x68\x3E\x80\x2F\x0C\xA9\xFE\x64\x53\x69\x7A")

// unlock finds the key of an encrypted file.
func (f *File) unlock() error {
	f.crypt = nil
	if f.trailer["Encrypt"] == nil {
		return nil
	}
	raw := f.dict(f.trailer["Encrypt"])
	d := dict{}
	for k, v := range raw {
		d[k] = f.resolve(v)
	}
	if d["Filter"] != name("Standard") {
		return fault.New(fault.Unsupported, "it is encrypted by %v; only the standard handler of passwords is read", d["Filter"])
	}
	c, err := f.newCrypt(d)
	if err != nil {
		return err
	}
	f.crypt, f.packed = c, nil
	return nil
}

func (f *File) newCrypt(d dict) (*crypt, error) {
	v, _ := d["V"].(int)
	r, _ := d["R"].(int)
	c := &crypt{perObject: v < 5, texts: rc4Method, streams: rc4Method}
	if v >= 4 {
		c.streams, c.texts = f.cryptFilter(d, "StmF"), f.cryptFilter(d, "StrF")
	}
	switch {
	case v == 5:
		c.key = keyR6(d, r)
	case v >= 1 && v <= 4:
		c.key = f.keyR4(d, v, r)
	default:
		return nil, fault.New(fault.Unsupported, "it is encrypted by version %d of the standard handler; 1 to 5 are read", v)
	}
	if c.key == nil {
		return nil, fault.New(fault.Forbidden, "it is encrypted and wants a password; save it without one")
	}
	return c, nil
}

func (f *File) cryptFilter(d dict, key name) method {
	filter, _ := d[key].(name)
	cf := f.dict(f.dict(d["CF"])[filter])
	switch f.resolve(cf["CFM"]) {
	case name("V2"):
		return rc4Method
	case name("AESV2"), name("AESV3"):
		return aesMethod
	}
	return plain
}

// keyR4 is algorithm 2, proved by algorithm 6; nil = a password is wanted.
func (f *File) keyR4(d dict, v, r int) []byte {
	n := 5
	if bits, ok := d["Length"].(int); ok && r >= 3 {
		n = min(max(bits/8, 5), 16)
	}
	if v == 4 {
		n = 16
	}
	owner, _ := d["O"].(str)
	user, _ := d["U"].(str)
	p, _ := d["P"].(int)
	var id str
	if ids := f.list(f.trailer["ID"]); len(ids) > 0 {
		id, _ = f.resolve(ids[0]).(str)
	}
	h := md5.New()
	h.Write(padding)
	h.Write([]byte(owner[:min(32, len(owner))]))
	h.Write(binary.LittleEndian.AppendUint32(nil, uint32(p)))
	h.Write([]byte(id))
	if clear, ok := d["EncryptMetadata"].(bool); ok && !clear && r >= 4 {
		h.Write([]byte("\xff\xff\xff\xff"))
	}
	key := h.Sum(nil)
	if r >= 3 {
		for range 50 {
			sum := md5.Sum(key[:n])
			key = sum[:]
		}
	}
	if key = key[:n]; !provesR4(key, []byte(user), []byte(id), r) {
		return nil
	}
	return key
}

func provesR4(key, user, id []byte, r int) bool {
	if r < 3 {
		return bytes.Equal(rc4Bytes(key, padding), user)
	}
	sum := md5.Sum(append(bytes.Clone(padding), id...))
	out := sum[:]
	for i := range 20 {
		round := bytes.Clone(key)
		for k := range round {
			round[k] ^= byte(i)
		}
		out = rc4Bytes(round, out)
	}
	return len(user) >= 16 && bytes.Equal(out, user[:16])
}

func rc4Bytes(key, data []byte) []byte {
	c, err := rc4.NewCipher(key)
	if err != nil {
		return nil
	}
	out := make([]byte, len(data))
	c.XORKeyStream(out, data)
	return out
}

// keyR6 is algorithm 2.A for the empty user password; nil = a password is wanted.
func keyR6(d dict, r int) []byte {
	u, _ := d["U"].(str)
	ue, _ := d["UE"].(str)
	if len(u) < 48 || len(ue) < 32 {
		return nil
	}
	hash := hashR6
	if r < 6 {
		hash = func(salt []byte) []byte { sum := sha256.Sum256(salt); return sum[:] }
	}
	if !bytes.Equal(hash([]byte(u[32:40])), []byte(u[:32])) {
		return nil
	}
	block, err := aes.NewCipher(hash([]byte(u[40:48])))
	if err != nil {
		return nil
	}
	key := make([]byte, 32)
	cipher.NewCBCDecrypter(block, make([]byte, 16)).CryptBlocks(key, []byte(ue[:32]))
	return key
}

// hashR6 is algorithm 2.B for the empty password.
func hashR6(salt []byte) []byte {
	sum := sha256.Sum256(salt)
	k := sum[:]
	for i := 0; ; i++ {
		e := bytes.Repeat(k, 64)
		block, err := aes.NewCipher(k[:16])
		if err != nil {
			return nil
		}
		cipher.NewCBCEncrypter(block, k[16:32]).CryptBlocks(e, e)
		mod := 0
		for _, c := range e[:16] {
			mod += int(c)
		}
		switch mod % 3 {
		case 0:
			s := sha256.Sum256(e)
			k = s[:]
		case 1:
			s := sha512.Sum384(e)
			k = s[:]
		case 2:
			s := sha512.Sum512(e)
			k = s[:]
		}
		if i >= 63 && int(e[len(e)-1]) <= i-32 {
			return k[:32]
		}
	}
}

func (c *crypt) objectKey(id ref, m method) []byte {
	if !c.perObject {
		return c.key
	}
	b := append(bytes.Clone(c.key), byte(id.num), byte(id.num>>8), byte(id.num>>16), byte(id.gen), byte(id.gen>>8))
	if m == aesMethod {
		b = append(b, "sAlT"...)
	}
	sum := md5.Sum(b)
	return sum[:min(len(c.key)+5, 16)]
}

// strings decrypts the strings in an object.
func (c *crypt) strings(id ref, v any) any {
	if c.texts == plain {
		return v
	}
	switch v := v.(type) {
	case str:
		if c.texts == rc4Method {
			return str(rc4Bytes(c.objectKey(id, rc4Method), []byte(v)))
		}
		out, err := io.ReadAll(newCBC(c.objectKey(id, aesMethod), bytes.NewReader([]byte(v))))
		if err != nil {
			return str("")
		}
		return str(out)
	case array:
		for i := range v {
			v[i] = c.strings(id, v[i])
		}
	case dict:
		for k := range v {
			v[k] = c.strings(id, v[k])
		}
	case stream:
		c.strings(id, v.dict)
	}
	return v
}

// stream decrypts a stream.
func (c *crypt) stream(id ref, r io.Reader) io.Reader {
	switch c.streams {
	case rc4Method:
		s, err := rc4.NewCipher(c.objectKey(id, rc4Method))
		if err != nil {
			return bytes.NewReader(nil)
		}
		return cipher.StreamReader{S: s, R: r}
	case aesMethod:
		return newCBC(c.objectKey(id, aesMethod), r)
	}
	return r
}

// cbc undoes AES in CBC mode: the first block is the initial vector, the last one is padded.
type cbc struct {
	r     io.Reader
	key   []byte
	mode  cipher.BlockMode
	ready []byte
	next  []byte // a block that may be the last
	err   error
}

func newCBC(key []byte, r io.Reader) io.Reader { return &cbc{r: r, key: key} }

func (c *cbc) Read(p []byte) (int, error) {
	for len(c.ready) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		c.advance()
	}
	n := copy(p, c.ready)
	c.ready = c.ready[n:]
	return n, nil
}

// advance reads the next block, and makes the one before it ready.
func (c *cbc) advance() {
	if c.mode == nil {
		iv := make([]byte, aes.BlockSize)
		block, err := aes.NewCipher(c.key)
		if _, short := io.ReadFull(c.r, iv); err != nil || short != nil {
			c.err = io.EOF
			return
		}
		c.mode = cipher.NewCBCDecrypter(block, iv)
	}
	b := make([]byte, aes.BlockSize)
	if _, err := io.ReadFull(c.r, b); err != nil {
		if n := len(c.next); n > 0 && c.next[n-1] >= 1 && int(c.next[n-1]) <= n {
			c.next = c.next[:n-int(c.next[n-1])]
		}
		c.ready, c.next, c.err = c.next, nil, io.EOF
		return
	}
	c.mode.CryptBlocks(b, b)
	c.ready, c.next = c.next, b
}
