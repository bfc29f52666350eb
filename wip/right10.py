import math, torch, io, contextlib
from attnbook.checks import flash_attention as checks
torch.set_num_threads(1)
PARTS={'predict':['tiles','costs','states'],'tiles':['two','four','all'],'slanted':['whole','last','table'],'merge_pieces':['pieces','edges','gradients'],'backward':['values','scores','last','table']}
def run(ex, f):
    earned=[];msgs={}
    for p in PARTS[ex]:
        o=io.StringIO()
        try:
            with contextlib.redirect_stdout(o), contextlib.redirect_stderr(o):
                r=getattr(checks,'check_'+ex)(f,p)
            earned.append(p); msgs[p]='OK '+str(r)[:200]+o.getvalue()[:300]
        except BaseException as e:
            msgs[p]=type(e).__name__+': '+str(e)
    return earned,msgs
def predict(q): return dict(a=78,b=93,c=1.17,d=126.03,e=2,f=7)[q]
def tiles(query,key,value,lengths,tile):
    B,T,d=query.shape
    most=torch.full((B,T,1),-torch.inf); total=torch.zeros(B,T,1); mixed=torch.zeros(B,T,value.shape[-1])
    for begin in range(0,key.shape[1],tile):
        k=key[:,begin:begin+tile]; v=value[:,begin:begin+tile]
        scores=query@k.mT/math.sqrt(d)
        place=torch.arange(begin,begin+k.shape[1])
        seen=(place<lengths[:,None])[:,None]
        scores=scores.masked_fill(~seen,-torch.inf)
        new=torch.maximum(most,scores.amax(-1,keepdim=True))
        base=new.masked_fill(new==-torch.inf,0)
        shrink=(most-base).exp()
        powers=(scores-base).exp()
        total=shrink*total+powers.sum(-1,keepdim=True)
        mixed=shrink*mixed+powers@v
        most=new
    empty=total==0
    safe=total.masked_fill(empty,1)
    return mixed/safe,(most+safe.log())[...,0]
# unusual 1: normalised pieces merged w/ logaddexp ; einsum
def tiles_u1(query,key,value,lengths,tile):
    outs,lses=[],[]
    S=key.shape[1]
    for b in range(0,S,tile):
        s=torch.einsum('btd,bsd->bts',query*query.shape[-1]**-0.5,key[:,b:b+tile])
        pad=torch.arange(S)[b:b+tile]>=lengths[:,None]
        s=torch.where(pad[:,None],torch.tensor(-float('inf')),s)
        outs.append(torch.nan_to_num(s.softmax(-1))@value[:,b:b+tile]); lses.append(s.logsumexp(-1))
    L=torch.stack(lses); w=torch.nan_to_num(L.softmax(0))
    return (w[...,None]*torch.stack(outs)).sum(0), L.logsumexp(0)
# unusual 2: per-text loop, per-row python, split off padding
def tiles_u2(query,key,value,lengths,tile):
    B,T,d=query.shape
    out=value.new_zeros(B,T,value.shape[-1]); lse=query.new_full((B,T),-math.inf)
    for b,n in enumerate(lengths.tolist()):
        m=torch.full((T,),-1e30); l=torch.zeros(T); acc=torch.zeros(T,value.shape[-1])
        for i in range(0,n,tile):
            j=min(i+tile,n)
            s=(query[b]/d**.5)@key[b,i:j].T
            nm=torch.max(m,s.max(1).values)
            p=torch.exp(s-nm[:,None]); a=torch.exp(m-nm)
            l=l*a+p.sum(1); acc=acc*a[:,None]+p@value[b,i:j]; m=nm
        if n: out[b]=acc/l[:,None]; lse[b]=m+torch.log(l)
    return out,lse
def slanted(query,key,value,slopes,tile):
    B,H,T,d=query.shape; S=key.shape[2]
    most=torch.full((B,H,T,1),-torch.inf); total=torch.zeros(B,H,T,1); mixed=torch.zeros(B,H,T,value.shape[-1])
    place=torch.arange(S-T,S)[:,None]
    for begin in range(0,S,tile):
        k=key[:,:,begin:begin+tile]; v=value[:,:,begin:begin+tile]
        n=place-torch.arange(begin,begin+k.shape[2])
        s=query@k.mT/math.sqrt(d)-slopes[:,None,None]*n
        s=s.masked_fill(n<0,-torch.inf)
        new=torch.maximum(most,s.amax(-1,keepdim=True))
        shrink=(most-new).exp(); p=(s-new).exp()
        total=shrink*total+p.sum(-1,keepdim=True); mixed=shrink*mixed+p@v; most=new
    return mixed/total,(most+total.log())[...,0]
def slanted_u1(query,key,value,slopes,tile):
    # bias only via key place; fix lse at end; merge pieces with logaddexp
    B,H,T,d=query.shape; S=key.shape[2]
    p=torch.arange(S-T,S)
    lse=torch.full((B,H,T),-torch.inf); out=query.new_zeros(B,H,T,value.shape[-1])
    for b in range(0,S,tile):
        c=torch.arange(b,min(b+tile,S))
        s=torch.einsum('bhtd,bhsd->bhts',query,key[:,:,b:b+tile])*d**-.5
        s=s-slopes.view(1,-1,1,1)*(p[:,None]-c).clamp(min=0)
        s=torch.where(c>p[:,None],-math.inf,s)
        l=s.logsumexp(-1)
        o=s.softmax(-1).nan_to_num(0)@value[:,:,b:b+tile]
        new=torch.logaddexp(lse,l)
        out=out*(lse-new).exp()[...,None]+o*(l-new).exp()[...,None]
        lse=new
    return out,lse
def slanted_u2(query,key,value,slopes,tile):
    # query tiles, skip tiles beyond the diagonal, bias from key place relative to S-1
    B,H,T,d=query.shape; S=key.shape[2]
    O=[];L=[]
    for q0 in range(0,T,tile):
        q=query[:,:,q0:q0+tile]; pos=torch.arange(S-T+q0,S-T+q0+q.shape[2])
        m=torch.full(q.shape[:3],-1e9); l=torch.zeros(q.shape[:3]); a=torch.zeros(*q.shape[:3],value.shape[-1])
        for b in range(0,int(pos[-1])+1,tile):
            c=torch.arange(b,min(b+tile,S))
            dist=pos[:,None]-c[None]
            s=torch.matmul(q,key[:,:,b:b+tile].transpose(2,3))/d**.5-slopes.reshape(H,1,1)*dist
            s=s+torch.zeros(dist.shape).masked_fill(dist<0,float('-inf'))
            nm=torch.maximum(m,s.max(-1)[0]); f=torch.exp(m-nm); w=torch.exp(s-nm[...,None])
            l=l*f+w.sum(-1); a=a*f[...,None]+w@value[:,:,b:b+tile]; m=nm
        O.append(a/l[...,None]); L.append(m+l.log())
    return torch.cat(O,2),torch.cat(L,2)
def merge_pieces(outputs,lses,sink):
    al=torch.cat([lses,sink[None,None,:,None].expand(1,*lses.shape[1:])])
    w=al.softmax(0)[:-1]
    return (w[...,None]*outputs).sum(0),al.logsumexp(0)
def merge_u1(outputs,lses,sink):
    # loop, running max starting from sink
    s=sink[None,:,None].expand(lses.shape[1:])
    m=s; tot=torch.ones_like(s); acc=torch.zeros_like(outputs[0])
    for o,l in zip(outputs,lses):
        n=torch.maximum(m,l)
        tot=tot*(m-n).exp()+(l-n).exp()
        acc=acc*(m-n).exp()[...,None]+o*(l-n).exp()[...,None]
        m=n
    return acc/tot[...,None], m+tot.log()
def merge_u2(outputs,lses,sink):
    # gate with clamp -> guard
    s=sink.view(1,-1,1)
    none=(lses==-torch.inf).all(0)
    L=lses.masked_fill(none,0.)
    w=L.softmax(0); o=torch.einsum('pbht,pbhtv->bhtv',w,outputs)
    tot=L.logsumexp(0)
    g=torch.sigmoid(tot-s).masked_fill(none,0)
    lse=torch.where(none,s.expand_as(tot),torch.logaddexp(tot,s.expand_as(tot)))
    return o*g[...,None],lse
def merge_u3(outputs,lses,sink):
    # append zero output piece, subtract detached max
    P,B,H,T,dv=outputs.shape
    L=torch.cat((sink.reshape(1,1,H,1).repeat(1,B,1,T),lses)); O=torch.cat((torch.zeros(1,B,H,T,dv),outputs))
    m=L.amax(0).detach(); e=torch.exp(L-m); z=e.sum(0)
    return (e.unsqueeze(-1)*O).sum(0)/z.unsqueeze(-1), z.log()+m
def backward(query,key,value,output,lse,d_output,tile):
    T,S=query.shape[2],key.shape[2]; r=1/math.sqrt(query.shape[-1])
    dq,dk,dv=map(torch.zeros_like,(query,key,value))
    D=(d_output*output).sum(-1,keepdim=True)
    place=torch.arange(S-T,S)[:,None]
    for b in range(0,S,tile):
        k,v=key[:,:,b:b+tile],value[:,:,b:b+tile]
        s=(query@k.mT*r).masked_fill(torch.arange(b,b+k.shape[2])>place,-torch.inf)
        w=(s-lse[...,None]).exp()
        dv[:,:,b:b+tile]=w.mT@d_output
        ds=w*(d_output@v.mT-D)
        dq+=ds@k*r
        dk[:,:,b:b+tile]=ds.mT@query*r
    return dq,dk,dv
def backward_u1(query,key,value,output,lse,d_output,tile):
    T,S=query.shape[2],key.shape[2]; r=query.shape[-1]**-.5
    q=query*r; dq=0; dks=[];dvs=[]
    D=torch.einsum('bhtv,bhtv->bht',d_output,output)
    for k,v,pos in zip(key.split(tile,2),value.split(tile,2),torch.arange(S).split(tile)):
        mask=(torch.arange(T)+S-T)[:,None]>=pos
        p=torch.where(mask,torch.exp(torch.einsum('bhtd,bhsd->bhts',q,k)-lse.unsqueeze(-1)),0.)
        dvs.append(torch.einsum('bhts,bhtv->bhsv',p,d_output))
        ds=p*(torch.einsum('bhtv,bhsv->bhts',d_output,v)-D.unsqueeze(-1))
        dq=dq+torch.einsum('bhts,bhsd->bhtd',ds,k)*r; dks.append(torch.einsum('bhts,bhtd->bhsd',ds,q))
    return dq,torch.cat(dks,2),torch.cat(dvs,2)
def backward_u2(query,key,value,output,lse,d_output,tile):
    # autograd per tile, via exp(scores-lse), and D through lse
    T,S=query.shape[2],key.shape[2]
    D=(d_output*output).sum(-1,keepdim=True)
    dq=torch.zeros_like(query);DK=[];DV=[]
    for b in range(0,S,tile):
        with torch.enable_grad():
            q=query.detach().requires_grad_(); k=key[:,:,b:b+tile].detach().requires_grad_(); v=value[:,:,b:b+tile].detach().requires_grad_()
            s=q@k.mT/math.sqrt(q.shape[-1])
            s=s.masked_fill(torch.arange(b,b+k.shape[2])>torch.arange(S-T,S)[:,None],-torch.inf)
            p=(s-lse.detach()[...,None]).exp()
            loss=((p@v)*d_output).sum()-(p*D.detach()).sum()
            a,bb,_=torch.autograd.grad(loss,(q,k,v)); 
            c=p.detach().mT@d_output
        dq+=a;DK.append(bb);DV.append(c)
    return dq,torch.cat(DK,2),torch.cat(DV,2)
def backward_u3(query,key,value,output,lse,d_output,tile):
    # also tiles of queries
    B,H,T,d=query.shape;S=key.shape[2]
    dq,dk,dv=torch.zeros_like(query),torch.zeros_like(key),torch.zeros_like(value)
    D=(d_output*output).sum(-1)
    for i in range(0,T,tile):
        I=slice(i,min(i+tile,T))
        for j in range(0,S,tile):
            J=slice(j,min(j+tile,S))
            if j>S-T+I.stop-1: break
            s=query[:,:,I]@key[:,:,J].mT/d**.5
            far=torch.arange(S-T+I.start,S-T+I.stop)[:,None]-torch.arange(J.start,J.stop)
            s[...,far<0]=-torch.inf
            p=(s-lse[:,:,I,None]).exp()
            dv[:,:,J]+=p.mT@d_output[:,:,I]
            ds=p*(d_output[:,:,I]@value[:,:,J].mT-D[:,:,I,None])/d**.5
            dq[:,:,I]+=ds@key[:,:,J]; dk[:,:,J]+=ds.mT@query[:,:,I]
    return dq,dk,dv
RIGHT=[('predict',predict),('predict',lambda q:dict(a=78.,b=93,c=7/6,d=8192/65,e=2,f=torch.tensor(7.))[q])]+[('tiles',f) for f in (tiles,tiles_u1,tiles_u2)]+[('slanted',f) for f in (slanted,slanted_u1,slanted_u2)]+[('merge_pieces',f) for f in(merge_pieces,merge_u1,merge_u2,merge_u3)]+[('backward',f) for f in(backward,backward_u1,backward_u2,backward_u3)]
if __name__=='__main__':
    for ex,f in RIGHT:
        e,m=run(ex,f); print(ex,f.__name__,e)
        for p in m:
            if p not in e or f.__name__==ex: print('   ',p,m[p][:1200])
