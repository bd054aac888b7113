// Package codec keeps Temporal from reading what workflows pass around: every payload is sealed with
// AES-256-GCM under a key that only the fleet has. What stays readable is what people search by: ids,
// types, search attributes.
package codec

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"

	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
)

const (
	encodingKey = converter.MetadataEncoding
	encoding    = "binary/encrypted"
	keyID       = "lifeboat-key"
)

// Codec implements [converter.PayloadCodec].
type Codec struct {
	writes string
	aead   map[string]cipher.AEAD
}

var _ converter.PayloadCodec = (*Codec)(nil)

// New makes a codec: the first fleet key writes, all of them open.
func New(keys workrecord.Keys) (*Codec, error) {
	if len(keys) == 0 {
		return nil, errors.New("there is no fleet key")
	}
	c := &Codec{writes: keys[0].ID(), aead: map[string]cipher.AEAD{}}
	for _, k := range keys {
		derived, err := k.Derive("lifeboat temporal payload v1")
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(derived)
		if err != nil {
			return nil, fmt.Errorf("make cipher: %w", err)
		}
		if c.aead[k.ID()], err = cipher.NewGCM(block); err != nil {
			return nil, fmt.Errorf("make cipher: %w", err)
		}
	}
	return c, nil
}

// Encode seals every payload.
func (c *Codec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	sealed := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		plain, err := proto.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("render payload: %w", err)
		}
		aead := c.aead[c.writes]
		nonce := make([]byte, aead.NonceSize())
		_, _ = rand.Read(nonce) // it never fails since Go 1.24
		sealed[i] = &commonpb.Payload{
			Metadata: map[string][]byte{encodingKey: []byte(encoding), keyID: []byte(c.writes)},
			Data:     aead.Seal(nonce, nonce, plain, []byte(c.writes)),
		}
	}
	return sealed, nil
}

// Decode opens what was sealed. A payload in the clear is passed on as it is: the SDK silently drops what a
// codec refuses, and a person's plain "pause" signal from the Temporal UI must arrive. Nothing that an
// activity does rests on a payload being sealed; that is what orders and their signatures are for.
func (c *Codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	plain := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		if string(p.GetMetadata()[encodingKey]) != encoding {
			plain[i] = p
			continue
		}
		id := string(p.GetMetadata()[keyID])
		aead, ok := c.aead[id]
		if !ok {
			return nil, fmt.Errorf("open payload: it was sealed with fleet key %q, which is not at hand (keys.fleet_keys)", id)
		}
		if len(p.GetData()) < aead.NonceSize() {
			return nil, errors.New("open payload: it is damaged")
		}
		text, err := aead.Open(nil, p.GetData()[:aead.NonceSize()], p.GetData()[aead.NonceSize():], []byte(id))
		if err != nil {
			return nil, errors.New("open payload: it is damaged")
		}
		plain[i] = &commonpb.Payload{}
		if err := proto.Unmarshal(text, plain[i]); err != nil {
			return nil, errors.New("open payload: it is damaged")
		}
	}
	return plain, nil
}

// DataConverter seals everything that workers and clients give to Temporal.
func DataConverter(keys workrecord.Keys) (converter.DataConverter, error) {
	c, err := New(keys)
	if err != nil {
		return nil, err
	}
	return converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), c), nil
}

// FailureConverter seals the messages and stack traces of errors, too.
func FailureConverter(keys workrecord.Keys) (converter.FailureConverter, error) {
	data, err := DataConverter(keys)
	if err != nil {
		return nil, err
	}
	return temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{DataConverter: data, EncodeCommonAttributes: true}), nil
}
